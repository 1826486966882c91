"""The chart *What if*: what thread caches of other capacities would do, and a cache of large blocks."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from workbench.control import ControlBlock, Snapshot
from workbench.control.ghosts import foretell, has_ghosts
from workbench.panel.protocol import LargeChart, WhatIfChart, WhatIfCurve
from workbench.plots.charts import CATEGORY_COLORS
from workbench.units import format_rough

if TYPE_CHECKING:
    from workbench.curves import WhatIf
    from workbench.large_curves import LargeWhatIf

_SPAN = 5  # readings that a curve is made of
_MOST_CURVES = len(CATEGORY_COLORS)
_ADVISED = 12
_NO_LARGE: LargeChart = {"title": "", "points": [], "today": (0, 0, 0), "advice": "", "rows": []}
NO_CURVES: WhatIfChart = {"note": "", "curves": [], "rows": [], "large": _NO_LARGE}


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
        told = foretell(self._snapshots[0], self._snapshots[-1], block.info.kind, block.effective().values)
        return _draw(told, block.info.kind)


def _draw(told: WhatIf, allocator: str) -> WhatIfChart:
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
        "large": _NO_LARGE if told.large is None else _draw_large(told.large),
    }


def _draw_large(told: LargeWhatIf) -> LargeChart:
    """Draw a curve over sizes, and the table over delays; the point of today is what the cache holds."""
    *_, table = told.tabulate()
    today, sizes = told.today, told.by_size
    came = told.foretell(today.max_mib, today.delay_ms) if math.isnan(today.hit_rate) else today.hit_rate
    return {
        "title": told.title,
        "points": [
            (float(size), told.count_calls(rate), 100 * float(rate))
            for size, rate in zip(sizes["max_mib"], sizes["hit_rate"], strict=True)
        ],
        "today": (today.held_mib, told.count_calls(came), 100 * came),
        "advice": told.advice,
        "rows": [list(table.columns), *(list(row) for row in table.rows)],
    }
