"""Records what happens in one process: samples of its blocks, resident memory, events."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from workbench.control import ControlBlock, EventBatch
from workbench.errors import WorkbenchError
from workbench.sessions.history import History
from workbench.sessions.sampler import Column, Sampler

RESIDENT = Column(
    "resident_bytes", "Memory", "resident_bytes", "", "bytes", help="Memory of the process that is in RAM."
)


@dataclass(frozen=True)
class Sample:
    """One row: seconds since recording began, operations done (None: nobody counts them), columns by key."""

    time_s: float
    operations: int | None
    values: Mapping[str, float]


class Recorder:
    """Samples the control blocks of a process into a `History`; used by one thread.

    Parameters
    ----------
    allocator_block, workload_block : ControlBlock or None
        What there is to sample.
    read_resident_bytes : callable
        Resident memory of the process now, in bytes; may raise WorkbenchError once it is gone.
    is_from_start : bool
        Whether events from before count, as they do for a process we started ourselves.
    """

    def __init__(
        self,
        allocator_block: ControlBlock | None,
        workload_block: ControlBlock | None,
        read_resident_bytes: Callable[[], int],
        *,
        is_from_start: bool,
    ) -> None:
        self.start_s = time.monotonic()
        self.history = History()
        self._allocator_block = allocator_block
        self._read_resident_bytes = read_resident_bytes
        self._sources: list[tuple[ControlBlock, Sampler]] = []
        self._throughput = ""
        self._counting_block: ControlBlock | None = None
        for block in (workload_block, allocator_block):
            if block is None:
                continue
            self._sources.append((block, Sampler(block.metrics.values())))
            if not self._throughput:
                self._throughput = next(
                    (metric.name for metric in block.metrics.values() if metric.role == "operations"), ""
                )
                self._counting_block = block if self._throughput else None
        self._cursor = 0
        if allocator_block is not None and not is_from_start:
            self._cursor = allocator_block.events(0).cursor

    @property
    def columns(self) -> list[Column]:
        """Every line sampled so far."""
        columns = [column for _, sampler in self._sources for column in sampler.columns.values()]
        return [*columns, RESIDENT] if RESIDENT.key in self.history.names else columns

    @property
    def time_s(self) -> float:
        """Seconds since recording began."""
        return time.monotonic() - self.start_s

    def sample(self) -> Sample:
        """Adds one row to the history."""
        row: dict[str, float] = {}
        time_s = max(self.time_s, self.history.last_time_s)
        operations = None
        for block, sampler in self._sources:
            snapshot = block.snapshot()
            row.update(sampler.sample(snapshot))
            if block is self._counting_block:
                operations = int(snapshot.fold(self._throughput))
        try:
            row[RESIDENT.key] = float(self._read_resident_bytes())
        except WorkbenchError:
            row[RESIDENT.key] = math.nan
        rates = [column.key for column in self.columns if column.is_rate]
        self.history.append(time_s, row, rates)
        return Sample(time_s, operations, row)

    def drain_events(self) -> EventBatch | None:
        """Events of the allocator since the last call; None if it has none to tell."""
        if self._allocator_block is None:
            return None
        batch = self._allocator_block.events(self._cursor)
        self._cursor = batch.cursor
        return batch

    def throughput(self, span_s: float = 1.0) -> float:
        """Mean operations a second over the last `span_s` seconds, NaN before the first samples."""
        # One line, or one a group of the metric's axis: then their sum.
        keys = [column.key for column in self.columns if column.metric == self._throughput]
        return sum(self.history.recent_mean(key, span_s) for key in keys) if keys else math.nan

    def mean_throughput(self) -> float:
        """Mean operations a second over all that is kept."""
        return self.throughput(math.inf)
