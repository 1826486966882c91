"""Live sessions: samples, events and changes, kept on disk, opened and repeated."""

from workbench.sessions.agreement import Agreement, Figure, compare_sessions
from workbench.sessions.changes import Change, ChangeLog
from workbench.sessions.facts import SessionFacts
from workbench.sessions.history import History, HistoryView
from workbench.sessions.presets import PresetStore, shipped_presets
from workbench.sessions.recorder import Column, Recorder, Sample
from workbench.sessions.repetition import (
    explain_inexactness,
    gather_facts,
    plan_repetition,
    record_run,
    repeat_session,
    save_notebook,
)
from workbench.sessions.session import Session, find_sessions
from workbench.sessions.store import SessionWriter, default_folder

__all__ = [
    "Agreement",
    "Change",
    "ChangeLog",
    "Column",
    "Figure",
    "History",
    "HistoryView",
    "PresetStore",
    "Recorder",
    "Sample",
    "Session",
    "SessionFacts",
    "SessionWriter",
    "compare_sessions",
    "default_folder",
    "explain_inexactness",
    "find_sessions",
    "gather_facts",
    "plan_repetition",
    "record_run",
    "repeat_session",
    "save_notebook",
    "shipped_presets",
]
