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
    """

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = [metric for metric in metrics if metric.chart]
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
            for item, value in self._read(metric, snapshot).items():
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
