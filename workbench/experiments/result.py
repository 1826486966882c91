"""What came of a run, as one row."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from workbench.errors import BadParameter, WrongResults
from workbench.plain_values import canonical_json, read_value
from workbench.processes.machine import Machine, Software
from workbench.processes.runs import Run

#: The only status of a run that was measured; every other one is a failure with its reason.
COMPLETED = "completed"
#: Figures that every command has.
ELAPSED, PAGE_FAULTS = "elapsed", "page faults"


@dataclass(frozen=True)
class Result:
    """One measured run, or one that failed, with where it comes from.

    Parameters
    ----------
    run : Run
    id : str
        The run's, as it was when it ran.
    status : str
        "completed", "crashed", "failed", "timed out", "out of memory" or "stopped".
    reason : str
        Why it failed, in one line; empty if completed.
    machine : Machine
    software : Software
    runner_build, allocator_build : str
        Version, compiler and options, as the control blocks tell; empty where there is none.
    operations : int
        Operations of all threads; 1 for a command.
    elapsed_s : float
        Without preparation.
    operations_per_s : float
    processor_s : float or None
        User and system time of a command and its children.
    mean_resident_bytes, peak_resident_bytes : float
    mean_cached_bytes, peak_cached_bytes : float or None
        Free blocks that the allocator's caches keep; None if it has no control block.
    latency_ns : mapping of str to float
        As `Outcome.latency_ns`; empty unless the run samples it.
    telemetry : mapping of str to float
        By name of the allocator's metrics, folded to one number: counters and what is derived as they
        were at the end, of gauges the highest sample; empty without a control block.
    figures : mapping of str to float
        What a command has, by name: elapsed time in s, page faults, and the figures that it tells.
    checksum : str
        Checksum of the requests that the workload made, or of the last 16 MiB that a command wrote.
    sample_count : int
        Samples that the means are of.
    warmed_bytes : int
        Memory touched just before; the run was warm if its peak is not above it.
    load_before, load_after : float
        Load average of the last minute.
    started_s, ended_s : float
        Unix time of the measured period.
    """

    run: Run
    id: str
    status: str
    machine: Machine
    software: Software
    reason: str = ""
    runner_build: str = ""
    allocator_build: str = ""
    operations: int = 0
    elapsed_s: float = 0.0
    operations_per_s: float = 0.0
    processor_s: float | None = None
    mean_resident_bytes: float = 0.0
    peak_resident_bytes: float = 0.0
    mean_cached_bytes: float | None = None
    peak_cached_bytes: float | None = None
    latency_ns: Mapping[str, float] = field(default_factory=dict)
    checksum: str = ""
    sample_count: int = 0
    warmed_bytes: int = 0
    load_before: float = 0.0
    load_after: float = 0.0
    started_s: float = 0.0
    ended_s: float = 0.0
    telemetry: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_measured(self) -> bool:
        """Whether its numbers count."""
        return self.status == COMPLETED

    @property
    def was_warm(self) -> bool:
        """Whether as much memory as it needed was touched before."""
        return self.warmed_bytes >= self.peak_resident_bytes

    def to_row(self) -> dict[str, Any]:
        """Flat: machine and software with their names before, run and mappings as JSON."""
        row: dict[str, Any] = {}
        for entry in dataclasses.fields(self):
            value = getattr(self, entry.name)
            if entry.name == "run":
                row[_RUN] = value.to_json()
            elif dataclasses.is_dataclass(value):
                row |= {f"{entry.name}.{name}": item for name, item in vars(value).items()}
            else:
                row[entry.name] = canonical_json(value) if isinstance(value, Mapping) else value
        return row

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Make one from what `to_row` gave.

        WrongResults if a column is missing or of another type.
        """
        # Results of before there was telemetry, or there were figures, are results, too.
        for name in ROW_TYPES.keys() - row.keys() - {"telemetry", "figures"}:
            raise WrongResults(f"a result has no column '{name}'; it is of another version")
        content: dict[str, Any] = {}
        try:
            for column in ROW_TYPES.keys() & row.keys():
                group, _, name = column.rpartition(".")
                if column in _JSON:
                    content[_JSON[column]] = json.loads(row[column] or "{}")
                else:
                    (content.setdefault(group, {}) if group else content)[name] = row[column]
            return read_value(cls, content, "a result")
        except (BadParameter, TypeError, ValueError) as error:
            raise WrongResults(f"a result cannot be read: {error}") from None


# Column of the run; it keeps the name that it had when the first results were written.
_RUN = "trial"
# Columns of JSON, and their fields.
_JSON = {_RUN: "run", "latency_ns": "latency_ns", "telemetry": "telemetry", "figures": "figures"}


def _list_types(kind: Any, prefix: str = "") -> dict[str, type]:
    """Type of each column of a row; a column may be empty where the field may be None."""
    columns: dict[str, type] = {}
    for name, hint in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            columns |= _list_types(hint, f"{name}.")
        else:
            plain = next((plain for plain in (int, float) if hint in (plain, plain | None)), str)
            columns[_RUN if name == "run" else prefix + name] = plain
    return columns


#: Column names of a row, and the type of their values.
ROW_TYPES: Mapping[str, type] = _list_types(Result)
