"""Processes that run under an allocator: which allocators there are, workers, preloaded programs."""

from workbench.processes.allocators import Allocator, allocators, get_allocator
from workbench.processes.exploration import InProcessRun
from workbench.processes.memory import name_process, peak_resident_bytes, resident_bytes
from workbench.processes.preload import check_preloadable, preload_environment
from workbench.processes.process_trace import RecordedTrace
from workbench.processes.program import Program
from workbench.processes.schedule import Schedule, SetPoint, count_operations, set_between_operations
from workbench.processes.specification import Outcome, RunSpec
from workbench.processes.trace_recorder import RecordingOutcome, record
from workbench.processes.worker import Worker, run

__all__ = [
    "Allocator",
    "InProcessRun",
    "Outcome",
    "Program",
    "RecordedTrace",
    "RecordingOutcome",
    "RunSpec",
    "Schedule",
    "SetPoint",
    "Worker",
    "allocators",
    "check_preloadable",
    "count_operations",
    "get_allocator",
    "name_process",
    "peak_resident_bytes",
    "preload_environment",
    "record",
    "resident_bytes",
    "run",
    "set_between_operations",
]
