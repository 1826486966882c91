"""Snapshots: all metrics of a control block at one moment."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from workbench.control.metric import Axis, Metric
from workbench.display import Displayed
from workbench.errors import UnknownMetric, describe_unknown
from workbench.table import Table
from workbench.units import format_quantity, format_rough, name_column

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    FloatArray = npt.NDArray[np.float64]
    WordArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Reading:
    """One metric at one moment.

    Attributes
    ----------
    metric : Metric
        Its descriptor.
    value : float
        Level, total so far of a counter, or the derived value; NaN if there is none.
    rate : float or None
        A counter's increase per second since the sample before.
    groups : mapping of str to float
        Values along its axis, threads folded; empty if it has none.
    lowest : float or None
        The lowest value of several processes whose values are not summed; `value` is the highest.
    """

    metric: Metric
    value: float
    rate: float | None
    groups: Mapping[str, float]
    lowest: float | None = None

    def describe(self) -> str:
        """The value with its unit, for people."""
        # A number that names something is no quantity to be rounded.
        is_name = self.metric.role in ("thread id", "adopted")
        text = format_quantity(self.value) if is_name else format_rough(self.value, self.metric.unit)
        if self.lowest is None or self.lowest == self.value:
            return text
        return f"{format_quantity(self.lowest) if is_name else format_rough(self.lowest)}..{text}"


def tabulate_readings(readings: Iterable[Reading]) -> Table:
    """A row a metric, threads and classes folded."""
    return Table.of(
        readings,
        {
            "metric": lambda reading: reading.metric.name,
            "value": Reading.describe,
            "what it is": lambda reading: reading.metric.help,
            "by group": lambda reading: " ".join(
                f"{label}:{format_rough(value)}" for label, value in reading.groups.items() if value
            ),
        },
        right=("value",),
        wrapped=("what it is", "by group"),
        dropped=("by group", "what it is"),
    )


class Layout:
    """Where each stored metric lies in the words of a snapshot, for given numbers of rows.

    Descriptors are in the block's order; `counts` has the rows in use of each axis.
    """

    def __init__(
        self, metrics: Mapping[str, Metric], axes: Mapping[str, Axis], counts: tuple[int, ...]
    ) -> None:
        self.metrics = metrics
        self.axes = axes
        self.counts = dict(zip(axes, counts, strict=True))
        self.places: dict[str, tuple[slice, tuple[int, ...]]] = {}
        start = 0
        for metric in metrics.values():
            if not metric.is_derived:
                shape = tuple(self.counts[axis] for axis in metric.axes)
                size = math.prod(shape)
                self.places[metric.name] = (slice(start, start + size), shape)
                start += size
        self.size = start
        #: Axes whose rows are threads, and the metric that says which rows are free.
        self.thread_ids = {
            metric.axes[0]: metric.name
            for metric in metrics.values()
            if metric.role == "thread id" and len(metric.axes) == 1
        }
        self.thread_axes = {"thread", *self.thread_ids}
        self._groups: dict[str, tuple[list[str], npt.NDArray[np.intp]]] = {}

    def groups(self, axis: str) -> tuple[list[str], npt.NDArray[np.intp]]:
        """Groups of an axis in the order of their first row, and the group's number of each row."""
        import numpy as np

        if axis not in self._groups:
            names = [self.axes[axis].group(row) for row in range(self.counts[axis])]
            order = {name: number for number, name in enumerate(dict.fromkeys(names))}
            self._groups[axis] = list(order), np.array([order[name] for name in names], dtype=np.intp)
        return self._groups[axis]


class Snapshot(Displayed):
    """All metrics of a control block at one moment; it never changes.

    What takes the name of a metric raises UnknownMetric if the block has no such metric.

    Attributes
    ----------
    time_s : float
        CLOCK_MONOTONIC when it was taken.
    values : mapping of str to ndarray of int64
        One array a stored metric, its dimensions the metric's axes (rows in use).
    words : ndarray of int64
        The same one behind the other, as `layout` says.
    layout : Layout
    parts : tuple of Snapshot
        Those of several processes that it was joined from; of one process there are none.

    Notes
    -----
    Words are read one by one while the process goes on: each is what it was at some moment during the
    reading, not all at the same one.
    """

    def __init__(
        self, time_s: float, words: WordArray, layout: Layout, parts: tuple[Snapshot, ...] = ()
    ) -> None:
        words.setflags(write=False)
        self.time_s = time_s
        self.parts = parts
        self.words, self.layout = words, layout
        self.values: Mapping[str, WordArray] = MappingProxyType(
            {name: words[place].reshape(shape) for name, (place, shape) in layout.places.items()}
        )
        self._folded: dict[str, float] = {}

    def metric(self, name: str) -> Metric:
        """Descriptor of a metric."""
        metric = self.layout.metrics.get(name)
        if metric is None:
            raise UnknownMetric(describe_unknown("metric", name, self.layout.metrics))
        return metric

    def fold(self, name: str) -> float:
        """Fold a metric along all its axes to one number, by its fold; derived ones are computed.

        Returns
        -------
        float
            In the metric's unit. A maximum leaves out rows of ended threads; of no rows it is 0.
        """
        folded = self._folded.get(name)
        if folded is None:
            metric = self.metric(name)
            if metric.is_derived:
                return self.value(name)
            values = self._live_rows(metric)
            if metric.fold == "sum":
                folded = float(values.sum(dtype=float))
            else:
                folded = float(values.max()) if values.size else 0.0
            self._folded[name] = folded
        return folded

    def by_group(self, name: str) -> tuple[list[str], FloatArray]:
        """Fold a metric's threads, and the rows of its other axis into their groups.

        Returns
        -------
        labels : list of str
            Groups in the block's order. A metric without such an axis has the one group "".
        values : ndarray of float64
            One a group, in the metric's unit.
        """
        import numpy as np

        metric = self.metric(name)
        kept = [axis for axis in metric.axes if axis not in self.layout.thread_axes]
        if not kept:
            return [""], np.array([self.fold(name)])
        axis = kept[-1]
        values = self._live_rows(metric)
        others = tuple(number for number, other in enumerate(metric.axes) if other != axis)
        labels, numbers = self.layout.groups(axis)
        grouped = np.zeros(len(labels))
        if metric.fold == "sum":
            np.add.at(grouped, numbers, values.sum(axis=others, dtype=np.float64))
        elif values.size:
            grouped[:] = -np.inf
            np.maximum.at(grouped, numbers, values.max(axis=others).astype(np.float64))
        return labels, grouped

    def value(self, name: str, since: Snapshot | None = None) -> float:
        """What a chart shows of a metric.

        Parameters
        ----------
        name : str
        since : Snapshot, optional
            An earlier snapshot of the same block.

        Returns
        -------
        float
            For a gauge or difference, the level. For a counter, its rate per second since `since`, without it
            the total. Of a quotient of counters the quotient of their increments since `since`. NaN where
            nothing happened.
        """
        metric = self.metric(name)
        if metric.is_derived:
            first, second = (self._operand(metric, operand, since) for operand in metric.operands)
            if metric.kind == "difference":
                return first - second
            return first / second if second != 0 else float("nan")
        if metric.kind == "gauge" or since is None:
            return self.fold(name)
        elapsed_s = self.time_s - since.time_s
        return (self.fold(name) - since.fold(name)) / elapsed_s if elapsed_s > 0 else float("nan")

    def readings(self, since: Snapshot | None = None) -> list[Reading]:
        """Read all metrics, in the order of their descriptors; counters have a rate since an earlier one."""
        readings = []
        for name, metric in self.layout.metrics.items():
            value = self.value(name, since) if metric.is_derived else self.fold(name)
            rate = self.value(name, since) if metric.kind == "counter" and since is not None else None
            groups: dict[str, float] = {}
            if metric.axes:
                labels, values = self.by_group(name)
                groups = dict(zip(labels, values.tolist(), strict=True)) if len(labels) > 1 else {}
            is_spread = len(self.parts) > 1 and metric.fold == "max" and not metric.is_derived
            lowest = min(part.fold(name) for part in self.parts) if is_spread else None
            readings.append(Reading(metric, value, rate, groups, lowest))
        return readings

    def to_table(self) -> Table:
        """A row a metric, threads and classes folded."""
        return tabulate_readings(self.readings())

    def __repr__(self) -> str:
        return f"<Snapshot of {len(self.layout.metrics)} metrics at {self.time_s:.3f} s>"

    def count_adopted(self, generation: int) -> tuple[int, int]:
        """Count the threads that live, and those of them that act on settings of a generation or later.

        Both are 0 if the block does not tell.
        """
        import numpy as np

        for metric in self.layout.metrics.values():
            if metric.role == "adopted" and len(metric.axes) == 1:
                ids = self.layout.thread_ids.get(metric.axes[0])
                adopted = self.values[metric.name]
                is_live = self.values[ids] != 0 if ids else np.ones(adopted.shape, dtype=bool)
                return int(is_live.sum()), int((adopted[is_live] >= generation).sum())
        return 0, 0

    def to_frame(self, *axes: str) -> pd.DataFrame:
        """Lay metrics out as a table, units in the column names.

        Parameters
        ----------
        *axes : str
            Without any: one row with every metric folded to one value, derived ones too. Else a row for
            each combination along these axes, with the metrics that have exactly these.

        Returns
        -------
        pandas.DataFrame
            Columns such as `tls.capacity_slots`; the first is `time_s` in the table without axes, else the
            axes are the index.

        Raises
        ------
        UnknownMetric
            If no metric has these axes.
        """
        import pandas as pd

        metrics = self.layout.metrics.values()
        if not axes:
            row = {"time_s": self.time_s}
            row |= {name_column(metric.name, metric.unit): self.fold(metric.name) for metric in metrics}
            return pd.DataFrame([row])
        columns = {
            name_column(metric.name, metric.unit): self.values[metric.name].ravel()
            for metric in metrics
            if metric.axes == axes
        }
        if not columns:
            known = sorted({", ".join(metric.axes) for metric in metrics if metric.axes})
            raise UnknownMetric(describe_unknown("axes", ", ".join(axes), known))
        described = [(self.layout.axes[axis], range(self.layout.counts[axis])) for axis in axes]
        labels = [[axis.label(row) for row in rows] if axis.labels else rows for axis, rows in described]
        index = pd.MultiIndex.from_product(labels, names=list(axes))
        return pd.DataFrame(columns, index=index.get_level_values(0) if len(axes) == 1 else index)

    def _operand(self, metric: Metric, name: str, since: Snapshot | None) -> float:
        operand = self.metric(name)
        if operand.is_derived:
            return self.value(name, since)
        if metric.kind == "quotient" and operand.kind == "counter" and since is not None:
            return self.fold(name) - since.fold(name)
        return self.fold(name)

    @cached_property
    def _live_threads(self) -> dict[str, npt.NDArray[np.bool_]]:
        return {axis: self.values[name] != 0 for axis, name in self.layout.thread_ids.items()}

    def _live_rows(self, metric: Metric) -> WordArray:
        # A maximum must not see what an ended thread left behind; sums of counters must, or they would fall.
        values = self.values[metric.name]
        if metric.fold == "max" and metric.axes and metric.axes[0] in self._live_threads:
            return values[self._live_threads[metric.axes[0]]]
        return values
