"""A recorded session as the charts that were live, in a static Plotly figure for a notebook to keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.control import Value
from workbench.errors import BadParameter
from workbench.plots.charts import Chart, build_charts, select_rows
from workbench.sessions import HistoryView, Session

OPERATIONS_UNIT = 1e6
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
    """Draw the charts of a run in two columns, with its markers, and a baseline, if any, pale behind it."""
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
                stackgroup=("pale" if is_pale else "parts") if chart.is_stacked else None,
            ),
            row=row,
            col=col,
            secondary_y=trace.axis == 2,
        )


def draw_session(session: Session, behind: Session | None = None, *, along: str = "time") -> go.Figure:
    """All charts of a recording, with its changes of tunables; another one of the same work pale behind it.

    The horizontal axis is seconds since recording began, or millions of operations done: along these, two
    runs of the same work lie on one another however fast each was.

    Raises
    ------
    BadParameter
        If `along` is something else, or operations were not counted.
    DamagedSession
        If its samples cannot be read.
    """
    if along not in ("time", "operations"):
        raise BadParameter(f"along: '{along}' is neither time nor operations")
    title = session.facts.subject
    if behind is not None:
        title += f"; pale: {behind.facts.subject}, {behind.facts.started}"
    figure = draw_history(
        build_charts(session.columns),
        _place(session, along),
        _find_markers(session, along),
        _place(behind, along) if behind is not None else None,
        title=title,
    )
    if along == "operations":
        figure.update_xaxes(title_text="million operations")
    return figure


def _place(session: Session, along: str) -> HistoryView:
    history = session.history()
    if along == "time":
        return history
    counts = session.samples["operations"].to_numpy(float)
    known = np.isfinite(counts)
    if not known.any():
        raise BadParameter(f"{session.name}: operations were not counted; draw it along time")
    return HistoryView(counts[known] / OPERATIONS_UNIT, history.values[known], history.names)


def _find_markers(session: Session, along: str) -> list[Marker]:
    counts = session.samples["operations"].dropna()
    times_s, done = counts.index.to_numpy(float), counts.to_numpy(float)
    moments: list[tuple[float, float | None, str]] = [
        (change.time_s, change.operations, _tell(change.after)) for change in session.steps()
    ]
    for note in session.facts.notes:
        # How far the work was then is told by the time only.
        count = float(np.interp(note.time_s, times_s, done)) if len(done) else None
        moments.append((note.time_s, count, f"note: {note.text}"))
    for step in session.spec.schedule if session.spec is not None else ():
        at = step.at_operations or 0
        # When it came is told by the count of operations only.
        time_s = float(np.interp(at, done, times_s)) if len(done) else 0.0
        moments.append((time_s, at, _tell(step.settings)))
    return [
        Marker(time_s if along == "time" else (count or 0) / OPERATIONS_UNIT, text)
        for time_s, count, text in moments
        if along == "time" or count is not None
    ]


def _tell(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} → {value}" for name, value in values.items())
