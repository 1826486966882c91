"""What a session did and saw: samples over time, changes of tunables, presets."""

from workbench.recording.changes import Change, ChangeLog
from workbench.recording.history import History, HistoryView
from workbench.recording.presets import Preset, PresetStore, shipped_presets
from workbench.recording.recorder import Recorder
from workbench.recording.sampler import Column, Sampler

__all__ = [
    "Change",
    "ChangeLog",
    "Column",
    "History",
    "HistoryView",
    "Preset",
    "PresetStore",
    "Recorder",
    "Sampler",
    "shipped_presets",
]
