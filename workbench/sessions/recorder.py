"""Records what happens in a process or group: samples of control blocks, resident memory, probes, events.

Which lines a block's metrics become, their descriptors say; no metric is known by name here.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from workbench.control import ControlBlock, EventBatch, Metric, Snapshot
from workbench.errors import WorkbenchError
from workbench.memory import MemoryUse
from workbench.probes import Probe, ProbeReader
from workbench.sessions.history import History
from workbench.watch import Watch

# A chart cannot show more lines than this of one metric; more rows become their fold.
MAXIMUM_LINES = 16
#: Of several processes whose values are not summed, the lowest has a line of its own.
LOWEST = "lowest"


@dataclass(frozen=True)
class Column:
    """One line of a chart.

    Parameters
    ----------
    key : str
        Unique name: the metric's, with its item after a blank.
    chart, metric, item : str
        Title of the chart, name of the metric, label along the metric's axis (or empty).
    unit : str
        Unit of the values; rates have "/s" added.
    is_rate, is_step, is_quotient, is_stacked : bool
        How it is sampled and drawn; stacked ones lie on each other.
    help : str
        The descriptor's line of text.
    """

    key: str
    chart: str
    metric: str
    item: str
    unit: str
    is_rate: bool = False
    is_step: bool = False
    is_quotient: bool = False
    help: str = ""
    is_stacked: bool = False


class _Sampler:
    """Turns successive snapshots of one control block into rows for a `History`."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = [metric for metric in metrics if metric.chart]
        self._previous: Snapshot | None = None
        self._previous_groups: dict[str, dict[str, float]] = {}
        self.columns: dict[str, Column] = {}

    def sample(self, snapshot: Snapshot) -> Mapping[str, float]:
        """Values at a snapshot by column; rates are since the one before.

        The first sample has no values of rates, only their columns: what is drawn of them has its place
        from the start.
        """
        row: dict[str, float] = {}
        for metric in self._metrics:
            values = self._read(metric, snapshot)
            for item, value in {**values, **self._read_lowest(metric, snapshot, values)}.items():
                key = self._declare(metric, item)
                if value is not None:
                    row[key] = value
        self._previous = snapshot
        return row

    def _read(self, metric: Metric, snapshot: Snapshot) -> Mapping[str, float | None]:
        """Values of a metric by item; None for a rate that is not known yet."""
        before = self._previous
        labels, values = snapshot.by_group(metric.name) if metric.axes else ([], ())
        # One group without a name: the metric has no axis but its threads.
        if labels == [""] or not 0 < len(labels) <= MAXIMUM_LINES:
            if metric.kind == "counter" and before is None:
                return {"": None}
            return {"": snapshot.value(metric.name, before)}
        now = {
            label: float(value) if math.isfinite(value) else math.nan
            for label, value in zip(labels, values, strict=True)
        }
        if metric.kind == "gauge":
            return now
        earlier = self._previous_groups.get(metric.name)
        self._previous_groups[metric.name] = now
        if earlier is None or before is None:
            return dict.fromkeys(now)
        elapsed_s = snapshot.time_s - before.time_s
        return {
            label: (value - earlier.get(label, 0.0)) / elapsed_s if elapsed_s > 0 else math.nan
            for label, value in now.items()
        }

    def _read_lowest(
        self, metric: Metric, snapshot: Snapshot, highest: Mapping[str, float | None]
    ) -> Mapping[str, float]:
        """Lowest values of the processes of a group, from when they differ on."""
        if metric.fold != "max" or metric.is_derived or len(snapshot.parts) < 2:
            return {}
        found: dict[str, float] = {}
        for part in snapshot.parts:
            labels, values = part.by_group(metric.name) if "" not in highest else ([""], [part.fold(metric.name)])
            for label, value in zip(labels, values, strict=True):
                found[label] = min(float(value), found.get(label, math.inf))
        items = {label: f"{label} {LOWEST}".lstrip() for label in found}
        return {
            items[label]: value
            for label, value in found.items()
            if value != highest.get(label) or f"{metric.name} {items[label]}" in self.columns
        }

    def _declare(self, metric: Metric, item: str) -> str:
        """Key of a column, which is there from now on."""
        key = f"{metric.name} {item}".rstrip()
        if key not in self.columns:
            is_rate = metric.kind == "counter"
            self.columns[key] = Column(
                key,
                metric.chart,
                metric.name,
                item,
                f"{metric.unit}/s" if is_rate else metric.unit,
                is_rate,
                metric.is_step,
                metric.kind == "quotient",
                metric.help,
            )
        return key


RESIDENT = Column(
    "resident_bytes", "Memory", "resident_bytes", "", "bytes", help="Memory of the process that is in RAM."
)


WHERE_CHART = "Where it is"


def describe_memory_part(name: str) -> Column:
    """The area of a part of the resident memory."""
    told = "Resident memory, by what it is used for (docs/memory.md)."
    return Column(f"memory {name}", WHERE_CHART, "memory", name, "bytes", help=told, is_stacked=True)


@dataclass(frozen=True)
class RecordedProbe:
    """What is known of a probe in a recording."""

    name: str
    source: str = ""  # as it is given on a command line; empty for a Python function
    reason: str = ""  # why there was a gap in it, if there was one: the first reason


def describe_probe(probe: Probe) -> Column:
    """The line of a probe; a counter is shown as its rate."""
    metric = probe.metric
    is_rate = metric.kind == "counter"
    name = f"probe.{metric.name}"
    unit = f"{metric.unit}/s" if is_rate else metric.unit
    return Column(name, metric.chart, name, "", unit, is_rate, help=metric.help)


@dataclass(frozen=True)
class Sample:
    """One row: seconds since recording began, operations done (None: nobody counts them), columns by key.

    `probes` are those that are read now.
    """

    time_s: float
    operations: int | None
    values: Mapping[str, float]
    probes: tuple[RecordedProbe, ...] = ()


class Recorder:
    """Samples the control blocks of a process into a `History`; used by one thread.

    Parameters
    ----------
    allocator_block, workload_block : ControlBlock or None
        What there is to sample.
    read_resident_bytes : callable
        Resident memory of the process now, in bytes; may raise WorkbenchError once it is gone.
    probes : ProbeReader, optional
        What it shows is recorded as well; a gap is NaN.
    memory : Watch, optional
        The same of where the resident memory is.
    is_from_start : bool
        Whether events from before count, as they do for a process we started ourselves.
    """

    def __init__(
        self,
        allocator_block: ControlBlock | None,
        workload_block: ControlBlock | None,
        read_resident_bytes: Callable[[], int],
        probes: ProbeReader | None = None,
        memory: Watch[MemoryUse] | None = None,
        *,
        is_from_start: bool,
    ) -> None:
        self.start_s = time.monotonic()
        self.history = History()
        self._allocator_block = allocator_block
        self._read_resident_bytes = read_resident_bytes
        self._probes = probes or ProbeReader()
        self._memory = memory
        self._memory_parts: dict[str, Column] = {}
        self._reasons: dict[str, str] = {}
        blocks = [block for block in (workload_block, allocator_block) if block is not None]
        self._sources = [(block, _Sampler(block.metrics.values())) for block in blocks]
        counting = (
            (block, metric.name)
            for block in blocks
            for metric in block.metrics.values()
            if metric.role == "operations"
        )
        self._counting_block: ControlBlock | None
        self._counting_block, self._throughput = next(counting, (None, ""))
        self._cursor = 0
        if allocator_block is not None and not is_from_start:
            self._cursor = allocator_block.events(0).cursor

    @property
    def columns(self) -> list[Column]:
        """Every line sampled so far."""
        columns = [column for _, sampler in self._sources for column in sampler.columns.values()]
        columns += [describe_probe(value.probe) for value in self._probes.latest().values()]
        columns += self._memory_parts.values()
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
        shown = self._probes.latest()
        for name, value in shown.items():
            row[f"probe.{name}"] = value.shown
            if value.reason and value.is_read:
                self._reasons.setdefault(name, value.reason)
        probes = tuple(
            RecordedProbe(name, value.probe.source, self._reasons.get(name, "")) for name, value in shown.items()
        )
        use = self._memory.current if self._memory is not None else None
        for part in use.rows if use is not None else ():
            column = self._memory_parts.setdefault(part.name, describe_memory_part(part.name))
            row[column.key] = float(part.bytes)
        try:
            row[RESIDENT.key] = float(self._read_resident_bytes())
        except WorkbenchError:
            row[RESIDENT.key] = math.nan
        rates = [column.key for column in self.columns if column.is_rate]
        self.history.append(time_s, row, rates)
        return Sample(time_s, operations, row, probes)

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
