"""The course of a study as a Plotly figure: trial by trial, and the best so far."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

#: Colour of each outcome, in the order of the legend.
OUTCOME_COLORS = {
    "better": "#2a9d8f",
    "not better": "#7d8b99",
    "pruned": "#d8a657",
    "dominated": "#d8a657",
    "repeated": "#b8c1c9",
}


def follow_study(frame: pd.DataFrame, objective: str, *, is_higher_better: bool = True) -> pd.DataFrame:
    """Take the course out of a study's frame (`workbench.tuning.Study.to_frame`).

    Parameters
    ----------
    frame : DataFrame
        With the columns number, outcome and OBJECTIVE_ratio.
    objective : str
    is_higher_better : bool

    Returns
    -------
    DataFrame
        A row a trial that has a ratio: number, outcome, ratio to the defaults, and best, the ratio of what
        has taken the defaults' place by then.
    """
    course: pd.DataFrame = frame.reindex(columns=["number", "outcome", f"{objective}_ratio"])
    course = course.set_axis(["number", "outcome", "ratio"], axis=1).astype({"ratio": float})
    course = course[np.isfinite(course["ratio"])]
    taken = course["ratio"].where(course["outcome"] == "better", 1.0)
    best = taken.cummax().clip(lower=1.0) if is_higher_better else taken.cummin().clip(upper=1.0)
    return course.assign(best=best)


def draw_study(
    frame: pd.DataFrame, objectives: Sequence[str] = ("throughput",), title: str = ""
) -> go.Figure:
    """Ratios to the defaults, trial by trial, with the best so far; of two objectives one over the other."""
    figure = go.Figure()
    if len(objectives) > 1:
        _add_plane(figure, frame, objectives[0], objectives[1])
    else:
        _add_course(figure, frame, objectives[0])
    figure.update_layout(title_text=title, template="plotly_white", height=380, margin={"t": 48, "b": 48})
    return figure


def _add_course(figure: go.Figure, frame: pd.DataFrame, objective: str) -> None:
    course = follow_study(frame, objective, is_higher_better=objective != "peak_memory")
    figure.add_scatter(
        x=course["number"],
        y=course["best"],
        mode="lines",
        line={"shape": "hv", "color": OUTCOME_COLORS["better"]},
        name="best so far",
    )
    _add_outcomes(figure, course, "number", "ratio", "%{y:.3f}")
    figure.update_xaxes(title_text="trial")
    figure.update_yaxes(title_text=_name_ratio(objective))


def _add_plane(figure: go.Figure, frame: pd.DataFrame, vertical: str, horizontal: str) -> None:
    if len(frame):
        _add_outcomes(figure, frame, f"{horizontal}_ratio", f"{vertical}_ratio", "%{x:.3f}, %{y:.3f}")
    figure.add_vline(x=1.0, line={"color": "#444444", "width": 1})
    figure.update_xaxes(title_text=_name_ratio(horizontal))
    figure.update_yaxes(title_text=_name_ratio(vertical))


def _add_outcomes(figure: go.Figure, frame: pd.DataFrame, x: str, y: str, hover: str) -> None:
    for outcome, color in OUTCOME_COLORS.items():
        chosen = frame[frame["outcome"] == outcome]
        if len(chosen):
            figure.add_scatter(
                x=chosen[x],
                y=chosen[y],
                mode="markers",
                marker={"color": color, "size": 8},
                name=outcome,
                text=[f"trial {number}" for number in chosen["number"]],
                hovertemplate=f"%{{text}}: {hover}<extra></extra>",
            )
    figure.add_hline(y=1.0, line={"color": "#444444", "width": 1})


def _name_ratio(objective: str) -> str:
    return f"{objective.replace('_', ' ')} / that of the defaults"
