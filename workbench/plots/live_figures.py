"""Figures of live experiments, block by block, and of the studies that consist of them, trial by trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.experiments.live_result import LiveResult
from workbench.plots.result_figures import OUTCOME_COLORS

if TYPE_CHECKING:
    import pandas as pd

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


def draw_trials(frame: pd.DataFrame, objective: str) -> go.Figure:
    """What each trial of a live study showed against what it ran against, with its 95 % interval.

    `frame` is what `LiveStudy.to_frame` gives.
    """
    figure = go.Figure()
    measured = frame[np.isfinite(frame["ratio"].astype(float))]
    for outcome, rows in measured.groupby("outcome", sort=False):
        # With few pairs an interval has no end: then there is none to draw.
        ends = {side: rows[side].where(np.isfinite(rows["high"]), rows["ratio"]) for side in ("low", "high")}
        figure.add_scatter(
            x=rows["number"],
            y=rows["ratio"],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": ends["high"] - rows["ratio"],
                "arrayminus": rows["ratio"] - ends["low"],
            },
            mode="markers",
            marker={"color": OUTCOME_COLORS.get(str(outcome), "#7d8b99"), "size": 8},
            name=str(outcome),
            hovertemplate="trial %{x}: %{y:.3f}<extra></extra>",
        )
    figure.add_hline(y=1.0, line={"color": "#7d8b99", "width": 1, "dash": "dot"})
    figure.update_xaxes(title="trial", dtick=1)
    figure.update_yaxes(title=f"{objective}, to what it ran against")
    return figure.update_layout(template="plotly_white", height=320, margin={"t": 40, "b": 48})
