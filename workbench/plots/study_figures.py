"""The course of a study as a Plotly figure: trial by trial, and the best so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
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


@dataclass(frozen=True)
class StudyCourse:
    """What is drawn of a study in one objective.

    Parameters
    ----------
    numbers : array of int
        Of the trials that have a ratio.
    ratios : array of float
        To the defaults.
    outcomes : tuple of str
    best : array of float
        Ratio of the best so far after each trial: of what took the defaults' place.
    """

    numbers: npt.NDArray[np.int64]
    ratios: npt.NDArray[np.float64]
    outcomes: tuple[str, ...]
    best: npt.NDArray[np.float64]


def follow_study(frame: pd.DataFrame, objective: str, *, is_higher_better: bool = True) -> StudyCourse:
    """Take the course out of a study's frame (`workbench.tuning.Study.to_frame`).

    Parameters
    ----------
    frame : DataFrame
        With the columns number, outcome and OBJECTIVE_ratio.
    objective : str
    is_higher_better : bool
    """
    if frame.empty:
        return StudyCourse(np.array([], int), np.array([], float), (), np.array([], float))
    known = frame[np.isfinite(frame[f"{objective}_ratio"].astype(float))]
    ratios = known[f"{objective}_ratio"].to_numpy(float)
    outcomes = tuple(str(outcome) for outcome in known["outcome"])
    took = np.array([outcome == "better" for outcome in outcomes], bool)
    sides = np.where(took, ratios, 1.0)
    best = np.maximum.accumulate(sides) if is_higher_better else np.minimum.accumulate(sides)
    if len(best):
        best = np.maximum(best, 1.0) if is_higher_better else np.minimum(best, 1.0)
    return StudyCourse(known["number"].to_numpy(int), ratios, outcomes, best)


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
    figure.add_trace(
        go.Scatter(
            x=course.numbers,
            y=course.best,
            mode="lines",
            line={"shape": "hv", "color": OUTCOME_COLORS["better"]},
            name="best so far",
        )
    )
    for outcome, color in OUTCOME_COLORS.items():
        chosen = [index for index, one in enumerate(course.outcomes) if one == outcome]
        if chosen:
            figure.add_trace(
                go.Scatter(
                    x=course.numbers[chosen],
                    y=course.ratios[chosen],
                    mode="markers",
                    marker={"color": color, "size": 8},
                    name=outcome,
                    hovertemplate="trial %{x}: %{y:.3f}<extra></extra>",
                )
            )
    figure.add_hline(y=1.0, line={"color": "#444444", "width": 1})
    figure.update_xaxes(title_text="trial")
    figure.update_yaxes(title_text=f"{objective.replace('_', ' ')} / that of the defaults")


def _add_plane(figure: go.Figure, frame: pd.DataFrame, vertical: str, horizontal: str) -> None:
    for outcome, color in OUTCOME_COLORS.items():
        chosen = frame[frame["outcome"] == outcome] if len(frame) else frame
        if len(chosen):
            figure.add_trace(
                go.Scatter(
                    x=chosen[f"{horizontal}_ratio"],
                    y=chosen[f"{vertical}_ratio"],
                    mode="markers",
                    marker={"color": color, "size": 8},
                    name=outcome,
                    text=[f"trial {number}" for number in chosen["number"]],
                    hovertemplate="%{text}: %{x:.3f}, %{y:.3f}<extra></extra>",
                )
            )
    figure.add_hline(y=1.0, line={"color": "#444444", "width": 1})
    figure.add_vline(x=1.0, line={"color": "#444444", "width": 1})
    figure.update_xaxes(title_text=f"{horizontal.replace('_', ' ')} / that of the defaults")
    figure.update_yaxes(title_text=f"{vertical.replace('_', ' ')} / that of the defaults")
