"""Which charts there are and which lines each has, from the columns of a recording."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.sessions.sampler import Column

# Charts a reader looks for first; all others follow in the order of their descriptors.
FIRST_CHARTS = (
    "Throughput",
    "Memory",
    "Replayed program",
    "TLS cache capacity",
    "BigCache",
    "L2.5 shards",
    "SuperSlabs",
)

# Told apart on a white and on a dark ground, and by readers who see few colours.
CATEGORY_COLORS = ("#3b7dd8", "#e0862a", "#2a9d8f", "#c9506a", "#8a63d2", "#7d8b99")
# Small to large: for lines that are steps of one scale, as size classes are.
ORDER_COLORS = (
    "#6a5acd", "#3f7fd0", "#2f9fc0", "#2fae94", "#62b35a", "#a9b23c", "#dba52f", "#e87f3a", "#d4524c",
    "#b0498a",
)  # fmt: skip


@dataclass(frozen=True)
class ChartLine:
    """One line. `axis` is 1 (left) or 2 (right); values are divided by `divisor` to be in `unit`."""

    key: str
    label: str
    unit: str
    axis: int
    is_step: bool
    color: str
    divisor: float = 1.0
    help: str = ""


@dataclass(frozen=True)
class Chart:
    """One chart. `unit_right` is empty without a right-hand axis."""

    title: str
    unit: str
    unit_right: str
    traces: tuple[ChartLine, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """Columns it shows."""
        return tuple(trace.key for trace in self.traces)


def build_charts(columns: Iterable[Column]) -> tuple[Chart, ...]:
    """Charts of a set of columns.

    A chart of quotients only ("BigCache load") joins the chart whose title starts with the same word
    ("BigCache"), on its right-hand axis. A chart that none joins has its first unit on the left and all
    others on the right.
    """
    by_title: dict[str, list[Column]] = {}
    for column in columns:
        by_title.setdefault(column.chart, []).append(column)
    hosts = [title for title, members in by_title.items() if not all(c.is_quotient for c in members)]
    joined: dict[str, list[Column]] = {title: [] for title in by_title}
    for title, members in by_title.items():
        if title in hosts:
            continue
        host = next((h for h in hosts if h.split(" ")[0] == title.split(" ")[0]), None)
        if host is not None:
            joined[host] += members
            del joined[title]
    charts = [_build_chart(title, by_title[title], extra) for title, extra in joined.items()]
    return tuple(sorted(charts, key=_rank))


def _rank(chart: Chart) -> int:
    return FIRST_CHARTS.index(chart.title) if chart.title in FIRST_CHARTS else len(FIRST_CHARTS)


def _build_chart(title: str, own: Sequence[Column], joined: Sequence[Column]) -> Chart:
    left_units = [_shown_unit(own[0].unit)[0]]
    members = [*own, *joined]
    colors = _choose_colors(members)
    grouped_metrics = {column.metric for column in members if column.item}
    traces = []
    right_units: list[str] = []
    for column in members:
        shown_unit, divisor = _shown_unit(column.unit)
        is_right = column in joined or (not joined and shown_unit != left_units[0])
        units = right_units if is_right else left_units
        if shown_unit not in units:
            units.append(shown_unit)
        label = column.item if column.item and len(grouped_metrics) == 1 else column.key
        axis, color = 2 if is_right else 1, colors[column.key]
        traces.append(
            ChartLine(column.key, label, shown_unit, axis, column.is_step, color, divisor, column.help)
        )
    return Chart(title, ", ".join(left_units), ", ".join(right_units), tuple(traces))


def _shown_unit(unit: str) -> tuple[str, float]:
    """The unit on a chart, and what to divide values by."""
    if unit == "bytes":
        return "MiB", float(1 << 20)
    if unit == "ms":
        return "s", 1e3
    return unit or "share", 1.0


def _choose_colors(columns: Sequence[Column]) -> dict[str, str]:
    """One colour a column: along a scale within a metric of many items, else one of few."""
    items: dict[str, list[str]] = {}
    for column in columns:
        items.setdefault(column.metric, []).append(column.key)
    colors: dict[str, str] = {}
    next_category = 0
    for keys in items.values():
        if len(keys) > len(CATEGORY_COLORS) - 1:
            last = len(ORDER_COLORS) - 1
            for position, key in enumerate(keys):
                colors[key] = ORDER_COLORS[round(position * last / (len(keys) - 1))]
        else:
            for key in keys:
                colors[key] = CATEGORY_COLORS[next_category % len(CATEGORY_COLORS)]
                next_category += 1
    return colors
