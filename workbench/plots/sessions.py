"""Recordings as the same charts that were live."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from workbench.control import Value
from workbench.errors import BadParameter
from workbench.plots.charts import build_charts
from workbench.plots.figures import Marker, draw_history
from workbench.sessions import HistoryView, Session

OPERATIONS_UNIT = 1e6


def draw_session(session: Session, behind: Session | None = None, *, along: str = "time") -> go.Figure:
    """All charts of a recording, with its changes of tunables; another one of the same work pale behind it.

    Parameters
    ----------
    session : Session
        What to draw.
    behind : Session, optional
        Drawn pale. Along operations, two runs of the same work lie on one another however fast each was.
    along : {"time", "operations"}
        The horizontal axis: seconds since recording began, or millions of operations done.

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
    markers = []
    for change in session.steps():
        if along == "time":
            markers.append(Marker(change.time_s, _tell(change.after)))
        elif change.operations is not None:
            markers.append(Marker(change.operations / OPERATIONS_UNIT, _tell(change.after)))
    for step in session.spec.schedule if session.spec is not None else ():
        count = step.at_operations or 0
        place = count / OPERATIONS_UNIT
        if along == "time":
            # When it came is told by the count of operations only.
            place = float(np.interp(count, done, times_s)) if len(done) else 0.0
        markers.append(Marker(place, _tell(step.settings)))
    return markers


def _tell(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} → {value}" for name, value in values.items())
