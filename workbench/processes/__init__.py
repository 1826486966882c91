"""Processes that run under an allocator: workers and preloaded programs."""

from typing import TYPE_CHECKING

from workbench.processes.exploration import InProcessRun
from workbench.processes.injection import InjectedAgent, check_injectable, inject
from workbench.processes.memory import name_process, peak_resident_bytes, resident_bytes
from workbench.processes.outcome import Outcome
from workbench.processes.preload import check_preloadable, preload_environment
from workbench.processes.program import Program
from workbench.processes.runs import ResolvedRun, Run, Step
from workbench.processes.schedule import SetPoint, count_operations, set_between_operations
from workbench.processes.worker import Worker, run

if TYPE_CHECKING:
    from workbench.processes.process_trace import RecordedTrace
    from workbench.processes.trace_recorder import RecordingOutcome, check_recordable, record, record_running

__all__ = [
    "InProcessRun",
    "InjectedAgent",
    "Outcome",
    "Program",
    "RecordedTrace",
    "RecordingOutcome",
    "ResolvedRun",
    "Run",
    "SetPoint",
    "Step",
    "Worker",
    "check_injectable",
    "check_preloadable",
    "check_recordable",
    "count_operations",
    "inject",
    "name_process",
    "peak_resident_bytes",
    "preload_environment",
    "record",
    "record_running",
    "resident_bytes",
    "run",
    "set_between_operations",
]


def __getattr__(name: str) -> object:
    # The recorder takes NumPy, pandas and Arrow, slow to import; who only starts programs needs none.
    if name not in ("RecordedTrace", "RecordingOutcome", "check_recordable", "record", "record_running"):
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from workbench.processes import trace_recorder

    return getattr(trace_recorder, name)
