"""What-if curves as a Plotly figure."""

from __future__ import annotations

import plotly.graph_objects as go

from workbench.curves import WhatIf
from workbench.plots.charts import CATEGORY_COLORS
from workbench.units import format_rough

_MOST_CLASSES = 8


def draw_whatif(told: WhatIf, allocator: str = "") -> go.Figure:
    """Draw exchanges against the memory that caches hold: a curve a size class, and where each is today.

    Shown are the classes with most exchanges today, of the first allocator unless one is named.
    """
    name = allocator or (told.allocators[0] if told.allocators else "")
    advice = told.advice
    figure = go.Figure()
    classes = advice["block_bytes"][advice["allocator"] == name].astype(int).head(_MOST_CLASSES)
    for color, block_bytes in zip(CATEGORY_COLORS, classes, strict=False):
        rows = told.curves[(told.curves["allocator"] == name) & (told.curves["block_bytes"] == block_bytes)]
        label = format_rough(float(block_bytes), "bytes")
        for is_point, part, style in (
            (
                False,
                rows[rows["is_foretold"]].sort_values("slots"),
                {"mode": "lines", "line": {"color": color}},
            ),
            (True, rows[rows["is_today"]], {"mode": "markers", "marker": {"color": color, "size": 10}}),
        ):
            figure.add_scatter(
                x=part["held_kib"],
                y=part["exchanges"] / max(told.seconds, 1e-9),
                customdata=part["slots"],
                name=label,
                legendgroup=label,
                showlegend=not is_point,
                hovertemplate=f"{label}, %{{customdata:.0f}} slots{' (today)' if is_point else ''}: "
                "%{y:.4g} exchanges/s, %{x:.3g} KiB<extra></extra>",
                **style,
            )
    figure.update_xaxes(title_text="KiB held by the caches", type="log")
    figure.update_yaxes(title_text="exchanges/s", type="log")
    return figure.update_layout(
        title={
            "text": f"What if the caches of {name} had other capacities? (points: today)",
            "font": {"size": 16},
        },
        height=380,
        template="plotly_white",
        margin={"l": 70, "r": 30, "t": 60, "b": 60},
        legend={"title": "size class", "orientation": "v"},
    )
