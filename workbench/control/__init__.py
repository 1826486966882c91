"""Find, read and set the control blocks of running processes."""

from workbench.bindings import native_directory
from workbench.bindings.allocator import explain_no_block
from workbench.control.block import (
    Adoption,
    ControlBlock,
    Settings,
    check_values,
    describe_counts,
    tabulate_tunables,
)
from workbench.control.discovery import (
    SAMPLES_KIND,
    WORKLOAD_KIND,
    BlockInfo,
    block_directory,
    find_blocks,
    find_path,
    sweep_dead_blocks,
)
from workbench.control.event import Event, EventBatch, EventKind
from workbench.control.joining import SnapshotJoiner
from workbench.control.metric import Axis, Metric
from workbench.control.snapshot import Reading, Snapshot, tabulate_readings
from workbench.control.tunable import DO, Action, Constraint, Tunable, Value

__all__ = [
    "DO",
    "SAMPLES_KIND",
    "WORKLOAD_KIND",
    "Action",
    "Adoption",
    "Axis",
    "BlockInfo",
    "Constraint",
    "ControlBlock",
    "Event",
    "EventBatch",
    "EventKind",
    "Metric",
    "Reading",
    "Settings",
    "Snapshot",
    "SnapshotJoiner",
    "Tunable",
    "Value",
    "block_directory",
    "check_values",
    "describe_counts",
    "explain_no_block",
    "find_blocks",
    "find_path",
    "native_directory",
    "sweep_dead_blocks",
    "tabulate_readings",
    "tabulate_tunables",
]
