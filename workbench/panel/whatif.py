"""The chart *What if*: curves of what other capacities of thread caches would do."""

from __future__ import annotations

from collections import deque

from workbench.control import ControlBlock, Snapshot
from workbench.control.ghosts import foretell, has_ghosts
from workbench.panel.protocol import WhatIfChart, WhatIfCurve
from workbench.plots.charts import CATEGORY_COLORS
from workbench.units import format_rough

_SPAN = 5  # readings that a curve is made of
_MOST_CURVES = len(CATEGORY_COLORS)
_ADVISED = 12
NO_CURVES: WhatIfChart = {"note": "", "curves": [], "rows": []}


class WhatIfView:
    """Follows one control block; `read` is called about once a second."""

    def __init__(self, block: ControlBlock | None) -> None:
        self._block = block
        self._snapshots: deque[Snapshot] = deque(maxlen=_SPAN + 1)

    def read(self) -> WhatIfChart:
        """Take a snapshot, and draw what it and those before tell; NoProcess if the process has ended."""
        block = self._block
        if block is None or not any(metric.role == "ghost observed" for metric in block.metrics.values()):
            return NO_CURVES
        snapshot = block.snapshot()
        if has_ghosts(snapshot):
            self._snapshots.append(snapshot)
        if len(self._snapshots) < 2:
            return NO_CURVES
        return _draw(self._snapshots[0], self._snapshots[-1], block.info.kind)


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
