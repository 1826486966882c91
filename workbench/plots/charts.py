"""Which charts there are and which lines each has, from the columns of a recording; which rows they need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
import numpy.typing as npt

from workbench.sessions.recorder import LOWEST, Column

FloatArray = npt.NDArray[np.float64]
RowArray = npt.NDArray[np.intp]

# Charts a reader looks for first; all others follow in the order of their descriptors.
FIRST_CHARTS = (
    "Throughput",
    "Memory",
    "Where it is",
    "Caches",
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
    """One chart. `unit_right` is empty without a right-hand axis; stacked lines are areas on each other."""

    title: str
    unit: str
    unit_right: str
    traces: tuple[ChartLine, ...]
    is_stacked: bool = False

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
    rank = {title: place for place, title in enumerate(FIRST_CHARTS)}
    return tuple(sorted(charts, key=lambda chart: rank.get(chart.title, len(rank))))


def _build_chart(title: str, own: Sequence[Column], joined: Sequence[Column]) -> Chart:
    first_unit, _ = _show_unit(own[0])
    units: dict[int, list[str]] = {1: [first_unit], 2: []}
    members = [*own, *joined]
    colors = _choose_colors(members)
    is_one_metric = len({column.metric for column in members if column.item}) == 1
    lines = []
    for column in members:
        unit, divisor = _show_unit(column)
        axis = 2 if column in joined or (not joined and unit != first_unit) else 1
        if unit not in units[axis]:
            units[axis].append(unit)
        label = column.item if column.item and is_one_metric else column.key
        color = colors[column.key]
        lines.append(ChartLine(column.key, label, unit, axis, column.is_step, color, divisor, column.help))
    is_stacked = all(column.is_stacked for column in members)
    return Chart(title, ", ".join(units[1]), ", ".join(units[2]), tuple(lines), is_stacked)


def _show_unit(column: Column) -> tuple[str, float]:
    """The unit on a chart, and what to divide values by."""
    if column.is_quotient and not column.unit:
        return "share", 1.0
    return {"bytes": ("MiB", 2.0**20), "ms": ("s", 1e3)}.get(column.unit, (column.unit, 1.0))


def _choose_colors(columns: Sequence[Column]) -> dict[str, str]:
    """One colour a column: along a scale within a metric of many items, else one of few."""
    items: dict[str, list[str]] = {}
    for column in columns:
        if not column.item.endswith(LOWEST):
            items.setdefault(column.metric, []).append(column.key)
    colors: dict[str, str] = {}
    categories = cycle(CATEGORY_COLORS)
    for keys in items.values():
        step = (len(ORDER_COLORS) - 1) / max(1, len(keys) - 1)
        scale = [ORDER_COLORS[round(position * step)] for position in range(len(keys))]
        colors |= zip(keys, scale if len(keys) >= len(CATEGORY_COLORS) else categories, strict=False)
    # The lowest of several processes has the colour of the highest.
    return {column.key: colors[column.key.removesuffix(LOWEST).rstrip()] for column in columns}


def select_rows(time_s: FloatArray, values: FloatArray, width_px: int) -> RowArray:
    """Rows that look the same as all of them when drawn `width_px` wide.

    Rows are cut into buckets; of each bucket the first row and, for every column, the rows of the
    lowest and the highest value are kept. Every row kept is a real sample, the same for all columns,
    so a hover over the chart shows exact values.

    Parameters
    ----------
    time_s : array, shape (rows,)
        Growing.
    values : array, shape (rows, columns)
        NaN where there is no value.
    width_px : int
        About how many rows to keep for a single column; more columns keep somewhat more.

    Returns
    -------
    array of int
        Row numbers, growing, first and last row included.
    """
    count = len(time_s)
    width_px = max(16, width_px)
    if count <= width_px:
        return np.arange(count)
    # Two rows a column and bucket at worst: fewer buckets for more columns, within reason.
    columns = max(1, values.shape[1])
    bucket_count = max(16, width_px // (1 + min(columns, 5)))
    size = -(-count // bucket_count)
    starts = np.arange(0, count, size)
    kept = [starts, np.array([count - 1])]
    padded = np.full((len(starts) * size, values.shape[1]), np.nan)
    padded[:count] = values
    buckets = padded.reshape(len(starts), size, values.shape[1])
    missing = np.isnan(buckets)
    low = np.where(missing, np.inf, buckets).argmin(axis=1)
    high = np.where(missing, -np.inf, buckets).argmax(axis=1)
    # A bucket whose values are all alike is told by its first row.
    flat = np.take_along_axis(buckets, low[:, None, :], 1) == np.take_along_axis(buckets, high[:, None, :], 1)
    moving = ~flat[:, 0, :]
    for extreme in (low, high):
        kept.append((extreme + starts[:, None])[moving])
    rows = np.unique(np.concatenate(kept))
    return rows[rows < count]


def select_rows_in_windows(
    time_s: FloatArray, values: FloatArray, width_px: int, windows_s: list[tuple[float, float]]
) -> RowArray:
    """As `select_rows`, for several views: windows (first and last second) in full, the whole coarsely."""
    parts = [select_rows(time_s, values, 120)]
    for first_s, last_s in windows_s:
        low = max(0, int(np.searchsorted(time_s, first_s, side="right")) - 1)
        high = min(len(time_s), int(np.searchsorted(time_s, last_s, side="left")) + 1)
        parts.append(select_rows(time_s[low:high], values[low:high], width_px) + low)
    return np.unique(np.concatenate(parts))
