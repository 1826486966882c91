"""The chart *What if*: curves of what other capacities of thread caches would do, now and then made anew."""

from __future__ import annotations

from collections import deque

from workbench.control import ControlBlock, Snapshot
from workbench.control.ghosts import foretell, has_ghosts
from workbench.panel.protocol import WhatIfChart, WhatIfCurve
from workbench.plots.charts import CATEGORY_COLORS
from workbench.units import format_rough

INTERVAL_S = 1.0
_SPAN = 5  # intervals that a curve is made of
_MOST_CURVES = len(CATEGORY_COLORS)
_ADVISED = 12
_NOTHING: WhatIfChart = {"note": "", "curves": [], "rows": []}


class WhatIfWatch:
    """Follows one control block at a time; used by one thread."""

    def __init__(self) -> None:
        self._block: ControlBlock | None = None
        self._snapshots: deque[Snapshot] = deque(maxlen=_SPAN + 1)
        self._next_s = 0.0
        self.chart = _NOTHING

    def look(self, block: ControlBlock | None, now_s: float) -> None:
        """Take a snapshot if it is time, and make the chart of it; NoProcess if the process has ended."""
        if block is None:
            return  # what it was stays on the screen, as all charts do
        if block is not self._block:
            self._block, self._next_s, self.chart = block, 0.0, _NOTHING
            self._snapshots.clear()
        if now_s < self._next_s:
            return
        self._next_s = now_s + INTERVAL_S
        if not any(metric.role == "ghost observed" for metric in block.metrics.values()):
            return
        snapshot = block.snapshot()
        if not has_ghosts(snapshot):
            return
        self._snapshots.append(snapshot)
        if len(self._snapshots) > 1:
            self.chart = _draw(self._snapshots[0], snapshot, block.info.kind)


def _draw(before: Snapshot, after: Snapshot, allocator: str) -> WhatIfChart:
    told = foretell(before, after, allocator)
    advice = told.advice
    curves: list[WhatIfCurve] = []
    for color, block_bytes in zip(CATEGORY_COLORS, advice["block_bytes"].head(_MOST_CURVES), strict=False):
        rows = told.curves[told.curves["block_bytes"] == block_bytes]
        foretold = rows[rows["is_foretold"]].sort_values("slots")
        points = [
            (float(kib), float(exchanges) / told.seconds, int(slots))
            for kib, exchanges, slots in zip(
                foretold["held_kib"], foretold["exchanges"], foretold["slots"], strict=True
            )
        ]
        today = rows[~rows["is_foretold"]].iloc[0]
        now = (float(today["held_kib"]), float(today["exchanges"]) / told.seconds, round(today["slots"]))
        curves.append(
            {
                "label": format_rough(float(block_bytes), "bytes"),
                "color": color,
                "points": points,
                "today": now,
            }
        )
    table = told.tabulate_advice(allocator, _ADVISED, per_second=True)
    return {
        "note": "; ".join(told.notes),
        "curves": curves,
        "rows": [list(table.columns), *(list(row) for row in table.rows)] if curves else [],
    }
