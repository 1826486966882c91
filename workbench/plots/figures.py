"""A recording as a static Plotly figure, for a notebook to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.plots.charts import Chart
from workbench.plots.rows import select_rows
from workbench.sessions.history import HistoryView

FIGURE_WIDTH_PX = 900


@dataclass(frozen=True)
class Marker:
    """A vertical line at `time_s` seconds with a line of text, on every chart."""

    time_s: float
    text: str


def draw_history(
    charts: Sequence[Chart],
    history: HistoryView,
    markers: Sequence[Marker] = (),
    baseline: HistoryView | None = None,
    title: str = "",
) -> go.Figure:
    """Draws all charts below one another in two columns.

    Parameters
    ----------
    charts : sequence of Chart
        What to draw.
    history : HistoryView
        The run; time in seconds since it began.
    markers : sequence of Marker
        Changes of tunables.
    baseline : HistoryView, optional
        An earlier run, drawn pale behind it.
    title : str
        Heading of the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        A usual Plotly figure; nothing in it is live.
    """
    if not charts:
        title = title or "Nothing was recorded yet"
        return go.Figure(layout={"title": {"text": title}, "height": 160})
    row_count = -(-len(charts) // 2)
    figure = make_subplots(
        rows=row_count,
        cols=2,
        subplot_titles=[chart.title for chart in charts],
        specs=[[{"secondary_y": True}] * 2 for _ in range(row_count)],
        vertical_spacing=0.3 / row_count if row_count > 1 else 0.1,
        horizontal_spacing=0.12,
    )
    for index, chart in enumerate(charts):
        row, col = index // 2 + 1, index % 2 + 1
        if baseline is not None:
            _add_traces(figure, chart, baseline, row, col, is_pale=True)
        _add_traces(figure, chart, history, row, col, is_pale=False)
        left, right = ({"row": row, "col": col, "secondary_y": is_right} for is_right in (False, True))
        figure.update_yaxes(title_text=chart.unit, rangemode="tozero", **left)
        if chart.unit_right:
            figure.update_yaxes(title_text=chart.unit_right, rangemode="tozero", showgrid=False, **right)
        for marker in markers:
            figure.add_vline(
                x=marker.time_s, line={"color": "#8a63d2", "width": 1, "dash": "dot"}, row=row, col=col
            )
    figure.update_xaxes(title_text="s", title_standoff=0)
    figure.update_layout(
        title={"text": title},
        height=260 * row_count + 60,
        margin={"l": 60, "r": 40, "t": 70, "b": 40},
        template="plotly_white",
        showlegend=False,
        hovermode="x unified",
    )
    return figure


def _add_traces(
    figure: go.Figure, chart: Chart, history: HistoryView, row: int, col: int, *, is_pale: bool
) -> None:
    values = np.column_stack([history.column(key) for key in chart.keys])
    rows = select_rows(history.time_s, values, FIGURE_WIDTH_PX)
    for position, trace in enumerate(chart.traces):
        column = values[rows, position] / trace.divisor
        if np.isnan(column).all():
            continue
        figure.add_trace(
            go.Scatter(
                x=history.time_s[rows],
                y=column,
                name=f"{trace.label} (pinned)" if is_pale else trace.label,
                mode="lines",
                opacity=0.3 if is_pale else 1.0,
                hoverinfo="skip" if is_pale else None,
                line={
                    "color": trace.color,
                    "width": 1.5,
                    "shape": "hv" if trace.is_step else "linear",
                    "dash": "dot" if trace.axis == 2 else "solid",
                },
            ),
            row=row,
            col=col,
            secondary_y=trace.axis == 2,
        )
