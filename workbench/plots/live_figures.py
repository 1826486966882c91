"""The figure of a live experiment: what each probe showed, block by block."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.experiments.live_result import LiveResult

_COLORS = {"A": "#7d8b99", "B": "#2a6f97"}
_PANEL_PX = 240
# Between two panels, as a part of a panel's height: room for a title.
_GAP = 0.2


def draw_blocks(result: LiveResult) -> go.Figure:
    """A panel a probe: the level of every block, by setting, over time; the medians as lines."""
    titles = [
        f"{probe.name}: {result.word_effect(probe, effect)}"
        for probe, effect in zip(result.judged, result.effects.values(), strict=True)
    ]
    rows = len(result.judged)
    figure = make_subplots(
        rows=rows, cols=1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=_GAP / rows
    )
    figure.update_annotations(font_size=13)
    middle_s = np.array([block.began_s for block in result.time_blocks]) + result.plan.block_s / 2
    for row, probe in enumerate(result.judged, 1):
        levels = result.levels(probe.name)
        for arm, color in _COLORS.items():
            chosen = np.array([block.arm == arm for block in result.time_blocks], dtype=bool)
            if not np.isfinite(levels[chosen]).any():
                continue
            figure.add_scatter(
                x=middle_s[chosen],
                y=levels[chosen],
                mode="markers",
                marker={"color": color, "size": 8},
                name=arm,
                legendgroup=arm,
                showlegend=row == 1,
                hovertemplate=f"{arm}, %{{x:.0f}} s: %{{y:.4g}} {probe.unit}<extra></extra>",
                row=row,
                col=1,
            )
            median = float(np.nanmedian(levels[chosen]))
            figure.add_hline(y=median, line={"color": color, "width": 1, "dash": "dot"}, row=row, col=1)
        figure.update_yaxes(title=probe.unit, row=row, col=1)
    figure.update_xaxes(title="time in s", row=rows, col=1)
    figure.update_layout(
        template="plotly_white",
        height=_PANEL_PX * rows + 80,
        margin={"l": 20, "r": 20, "t": 40, "b": 40},
        legend={"orientation": "h", "y": -0.15},
    )
    return figure
