"""What `metrics` and `watch` show of a block at one moment, for any block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.control import Metric, Snapshot


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
    """

    metric: Metric
    value: float
    rate: float | None
    groups: Mapping[str, float]


def read_metrics(
    metrics: Mapping[str, Metric], snapshot: Snapshot, since: Snapshot | None = None
) -> list[Reading]:
    """Read all metrics of a control block, in the order of its descriptors."""
    return [_read_metric(metric, snapshot, since) for metric in metrics.values()]


def _read_metric(metric: Metric, snapshot: Snapshot, since: Snapshot | None) -> Reading:
    if metric.kind in ("quotient", "difference"):
        return Reading(metric, snapshot.value(metric.name, since), None, {})
    rate = snapshot.value(metric.name, since) if metric.kind == "counter" and since is not None else None
    groups: dict[str, float] = {}
    if metric.axes:
        labels, values = snapshot.by_group(metric.name)
        if len(labels) > 1:
            groups = dict(zip(labels, (float(value) for value in values), strict=True))
    return Reading(metric, snapshot.fold(metric.name), rate, groups)
