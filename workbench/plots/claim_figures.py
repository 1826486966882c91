"""Charts of published claims put to the test: what was found, beside what was published."""

from __future__ import annotations

import math

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.experiments.claim_findings import ClaimFinding, ClaimTest

_ROW_PX = 26
_VERDICT_COLORS = {"better": "#2a9d8f", "worse": "#c9506a", "the same": "#4a6fa5", "cannot tell": "#7d8b99"}
_PUBLISHED_COLOR = "#e9a93a"


def draw_claim(test: ClaimTest) -> go.Figure:
    """A row of axes a quantity: effects with their 95 % intervals, and what was published as a band."""
    quantities = list(dict.fromkeys(finding.quantity for finding in test.findings))
    groups = [[one for one in test.findings if one.quantity == quantity] for quantity in quantities]
    heights = [len(group) + 1.6 for group in groups]
    figure = make_subplots(
        rows=len(groups),
        cols=1,
        row_heights=heights,
        vertical_spacing=min(0.9 / max(len(groups), 2), 2.2 / sum(heights)),
        subplot_titles=[_title(group[0]) for group in groups],
    )
    shown: set[str] = set()
    for row, group in enumerate(groups, start=1):
        for finding in reversed(group):
            label = f"{finding.work} · {finding.variant} / {finding.against}"
            if finding.published is not None:
                _add_published(figure, finding, label, row, shown)
            _add_found(figure, finding, label, row, shown)
        figure.add_vline(x=0, line={"color": "#444444", "width": 1}, row=row, col=1)
        figure.update_xaxes(ticksuffix=" %" if group[0].effect_unit == "%" else "", row=row, col=1)
    figure.update_yaxes(automargin=True, tickfont={"size": 11})
    figure.update_layout(
        title={"text": test.claim.title},
        height=int(130 + _ROW_PX * sum(heights)),
        template="plotly_white",
        margin={"l": 20, "r": 20, "t": 90, "b": 30},
        showlegend=True,
        legend={
            "orientation": "h",
            "x": 1,
            "xanchor": "right",
            "y": 0.99,
            "yanchor": "top",
            "yref": "container",
        },
    )
    return figure


def _title(finding: ClaimFinding) -> str:
    direction = "higher" if finding.quantity.is_higher_better else "lower"
    words = "difference in points" if finding.quantity.is_share else "difference"
    return f"{finding.quantity.name}: {words}, {direction} is better"


def _add_found(figure: go.Figure, finding: ClaimFinding, label: str, row: int, shown: set[str]) -> None:
    if finding.pairs == 0 or not math.isfinite(finding.effect):
        return
    has_interval = math.isfinite(finding.low) and math.isfinite(finding.high)
    figure.add_trace(
        go.Scatter(
            x=[finding.effect],
            y=[label],
            error_x={
                "type": "data",
                "array": [finding.high - finding.effect if has_interval else 0.0],
                "arrayminus": [finding.effect - finding.low if has_interval else 0.0],
                "thickness": 1.5,
            },
            mode="markers",
            marker={"color": _VERDICT_COLORS[finding.verdict], "size": 8},
            name=finding.verdict,
            legendgroup=finding.verdict,
            showlegend=finding.verdict not in shown,
            hovertemplate=f"%{{y}}: %{{x:+.1f}} {finding.effect_unit}, {finding.describe()}<extra></extra>",
        ),
        row=row,
        col=1,
    )
    shown.add(finding.verdict)


def _add_published(figure: go.Figure, finding: ClaimFinding, label: str, row: int, shown: set[str]) -> None:
    assert finding.published is not None
    low, high = sorted(finding.published)
    figure.add_trace(
        go.Scatter(
            x=[low, high],
            y=[label, label],
            mode="lines+markers",
            line={"color": _PUBLISHED_COLOR, "width": 9},
            marker={"symbol": "line-ns", "size": 13, "line": {"color": _PUBLISHED_COLOR, "width": 3}},
            opacity=0.55,
            name="published",
            legendgroup="published",
            showlegend="published" not in shown,
            hovertemplate="published: %{x:+.1f}<extra></extra>",
        ),
        row=row,
        col=1,
    )
    shown.add("published")
