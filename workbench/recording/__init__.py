"""What a session did and saw: samples over time, changes of tunables, presets; on disk, and run again."""

from workbench.recording.agreement import Agreement, Figure, compare_sessions
from workbench.recording.changes import Change, ChangeLog
from workbench.recording.facts import SessionFacts
from workbench.recording.history import History, HistoryView
from workbench.recording.presets import Preset, PresetStore, shipped_presets
from workbench.recording.recorder import Recorder, Sample
from workbench.recording.recording import Recording, find_recordings
from workbench.recording.repetition import (
    explain_inexactness,
    gather_facts,
    plan_repetition,
    record_run,
    repeat_session,
)
from workbench.recording.sampler import Column, Sampler
from workbench.recording.store import SessionWriter, default_folder

__all__ = [
    "Agreement",
    "Change",
    "ChangeLog",
    "Column",
    "Figure",
    "History",
    "HistoryView",
    "Preset",
    "PresetStore",
    "Recorder",
    "Recording",
    "Sample",
    "Sampler",
    "SessionFacts",
    "SessionWriter",
    "compare_sessions",
    "default_folder",
    "explain_inexactness",
    "find_recordings",
    "gather_facts",
    "plan_repetition",
    "record_run",
    "repeat_session",
    "shipped_presets",
]
