"""Snapshots to columns of numbers: which lines a block's metrics become, and their values now.

Everything comes from the metric descriptors; no metric is known by name here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from workbench.control import Metric, Snapshot

# A chart cannot show more lines than this of one metric; more rows become their fold.
MAXIMUM_LINES = 16


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
    is_rate, is_step, is_quotient : bool
        How it is sampled and drawn.
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


class Sampler:
    """Turns successive snapshots of one control block into rows for a `History`.

    Parameters
    ----------
    metrics : iterable of metric descriptors
        Those without a chart are left out.
    prefix : str
        Put before keys, where several blocks share a history.
    """

    def __init__(self, metrics: Iterable[Metric], prefix: str = "") -> None:
        self._metrics = [metric for metric in metrics if metric.chart]
        self._prefix = prefix
        self._previous: Snapshot | None = None
        self._previous_groups: dict[str, dict[str, float]] = {}
        self.columns: dict[str, Column] = {}

    def sample(self, snapshot: Snapshot) -> Mapping[str, float]:
        """Values of every column at a snapshot; rates are since the one before.

        Returns
        -------
        mapping of str to float
            By column key. The first sample has no values of rates, only their columns: what is drawn of
            them has its place from the start.
        """
        row: dict[str, float] = {}
        for metric in self._metrics:
            if self._is_grouped(metric):
                self._sample_groups(metric, snapshot, row)
            else:
                self._sample_one(metric, snapshot, row)
        self._previous = snapshot
        return row

    @staticmethod
    def _is_grouped(metric: Metric) -> bool:
        return not metric.is_derived and bool(metric.axes)

    def _sample_one(self, metric: Metric, snapshot: Snapshot, row: dict[str, float]) -> None:
        is_rate = metric.kind == "counter"
        if is_rate and self._previous is None:
            self._declare(metric, "", is_rate)
            return
        since = self._previous if metric.kind in ("counter", "quotient") else None
        self._put(metric, "", snapshot.value(metric.name, since), is_rate, row)

    def _sample_groups(self, metric: Metric, snapshot: Snapshot, row: dict[str, float]) -> None:
        labels, values = snapshot.by_group(metric.name)
        # One group without a name: the metric has no axis but its threads.
        if labels == [""] or not 0 < len(labels) <= MAXIMUM_LINES:
            self._sample_one(metric, snapshot, row)
            return
        now = {
            label: float(value) if math.isfinite(value) else math.nan
            for label, value in zip(labels, values, strict=True)
        }
        if metric.kind == "gauge":
            for label, value in now.items():
                self._put(metric, label, value, False, row)
            return
        before = self._previous_groups.get(metric.name)
        self._previous_groups[metric.name] = now
        if before is None or self._previous is None:
            for label in now:
                self._declare(metric, label, True)
            return
        elapsed_s = snapshot.time_s - self._previous.time_s
        for label, value in now.items():
            rate = (value - before.get(label, 0.0)) / elapsed_s if elapsed_s > 0 else math.nan
            self._put(metric, label, rate, True, row)

    def _put(self, metric: Metric, item: str, value: float, is_rate: bool, row: dict[str, float]) -> None:
        row[self._declare(metric, item, is_rate)] = value

    def _declare(self, metric: Metric, item: str, is_rate: bool) -> str:
        """Key of a column, which is there from now on."""
        key = f"{self._prefix}{metric.name} {item}".rstrip()
        if key not in self.columns:
            unit = f"{metric.unit}/s" if is_rate else metric.unit
            self.columns[key] = Column(
                key,
                metric.chart,
                metric.name,
                item,
                unit,
                is_rate,
                metric.is_step,
                metric.kind == "quotient",
                metric.help,
            )
        return key
