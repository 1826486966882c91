"""Metrics and the axes they lie along, as a control block describes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MetricKind = Literal["counter", "gauge", "quotient", "difference"]
Fold = Literal["sum", "max"]
Role = Literal[
    "", "thread id", "adopted", "operations", "cached", "live", "dirty", "retained", "metadata", "resident",
    "misses", "cached blocks", "exchanges", "cache slots", "ghost operations", "ghost observed",
    "ghost exchanges", "ghost held", "ghost came", "ghost missed", "large lookups", "large hits",
    "large held", "large ghost lookups", "large ghost held", "large ghost hits", "ghost variance",
]  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """What a metric has one value for each of: threads, size classes, shards.

    Attributes
    ----------
    name : str
        Such as "class".
    maximum : int
        Rows there can be.
    labels : tuple of str
        Names of the first rows, such as "48 B"; rows beyond are known by their number.
    groups : tuple of str
        For each label the group it belongs to, such as "C3"; charts show one line a group.
    """

    name: str
    maximum: int
    labels: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def label(self, row: int) -> str:
        """Name of a row."""
        return self.labels[row] if row < len(self.labels) and self.labels[row] else str(row)

    def group(self, row: int) -> str:
        """Group of a row; a row without one is its own."""
        return self.groups[row] if row < len(self.groups) and self.groups[row] else self.label(row)


@dataclass(frozen=True)
class Metric:
    """One thing that is counted or measured.

    Attributes
    ----------
    name, group, help : str
        Such as "tls.capacity"; its component; and one line of text.
    unit : str
        Unit of the value; a counter's rate is per second.
    chart : str
        Title of the chart that shows it; empty: in tables only.
    kind : {"counter", "gauge", "quotient", "difference"}
        A counter only grows, a gauge is a level; the others are derived from two operands.
    fold : {"sum", "max"}
        How values along an axis become one.
    role : Role
        What the metric means to the workbench, if anything: the same for every allocator.
    is_step : bool
        Whether it is drawn as a step line.
    axes : tuple of str
        Names of its axes, at most two.
    operands : tuple of str
        Names of the two metrics it is derived from.
    """

    name: str
    group: str = ""
    unit: str = ""
    help: str = ""
    chart: str = ""
    kind: MetricKind = "gauge"
    fold: Fold = "sum"
    role: Role = ""
    is_step: bool = False
    axes: tuple[str, ...] = ()
    operands: tuple[str, ...] = ()

    @property
    def is_derived(self) -> bool:
        """Whether it is computed from other metrics and has no words in the block."""
        return self.kind in ("quotient", "difference")
