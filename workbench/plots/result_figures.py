"""Charts of runs, comparisons and studies as Plotly figures, and at the end their tables.

A measure is a column of `Results.to_frame`; its unit stands in its name. A column that is not there is a
BadParameter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.errors import BadParameter, describe_unknown
from workbench.experiments import THROUGHPUT, Comparison, Measure, find_measure
from workbench.experiments.inference import find_front
from workbench.plots.charts import CATEGORY_COLORS

#: What varies among runs and is no setting of theirs.
_REPEATS = ("seed", "round")
_FIRST_MEASURED = "status"
_COLUMNS = 3
_ROW_PX = 22
_VERDICT_COLORS = {"better": "#2a9d8f", "worse": "#c9506a", "cannot tell": "#7d8b99"}
#: Colour of each outcome, in the order of the legend.
OUTCOME_COLORS = {
    "better": "#2a9d8f",
    "not better": "#7d8b99",
    "pruned": "#d8a657",
    "dominated": "#d8a657",
    "repeated": "#b8c1c9",
}
_SCALE = "Viridis"
_ONE = {"color": "#444444", "width": 1}  # where two sides are the same
_LEGEND = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1.0, "xanchor": "right"}
_LAYOUT = {"template": "plotly_white", "legend": _LEGEND, "margin": {"l": 20, "r": 20, "t": 40, "b": 40}}
# An axis with so few values has a tick at each of them, and none between.
_MOST_TICKS = 12


def draw_ratios(comparison: Comparison, measure: Measure | str = THROUGHPUT, title: str = "") -> go.Figure:
    """Ratios to the baseline with their 95 % intervals, a line each; green is better, red worse.

    Raises
    ------
    BadParameter
        If there is no measure of that name.
    """
    if isinstance(measure, str):
        figures = {one.name: one for one in comparison.plan.measures if one.is_figure}
        measure = figures.get(measure) or find_measure(measure)
    findings = [one for one in comparison.findings[::-1] if one.measure == measure and one.ratio.pairs > 0]
    baseline = comparison.plan.variants[0].name
    figure = go.Figure()
    for verdict, color in _VERDICT_COLORS.items():
        chosen = [one for one in findings if one.ratio.verdict == verdict]
        if not chosen:
            continue
        bounds = np.array([(one.ratio.low, one.ratio.estimate, one.ratio.high) for one in chosen])
        # Without enough rounds there is no interval: then a point alone.
        low, estimate, high = np.where(bounds[:, :1] > 0, bounds, bounds[:, 1:2]).T
        figure.add_scatter(
            x=estimate,
            y=[f"{one.work} · {one.variant}" for one in chosen],
            error_x={
                "type": "data",
                "array": high - estimate,
                "arrayminus": estimate - low,
                "thickness": 1.5,
            },
            mode="markers",
            marker={"color": color, "size": 8},
            name=verdict,
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    figure.add_vline(x=1.0, line=_ONE)
    direction = "higher" if measure.is_higher_better else "lower"
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[f"{one.work} · {one.variant}" for one in findings],
        automargin=True,
        tickfont={"size": 11},
    )
    figure.update_xaxes(
        title_text=f"{measure.name} / {measure.name} of {baseline}, {direction} is better", type="log"
    )
    height = 120 + _ROW_PX * max(len(findings), 3)
    margin = {"l": 20, "r": 20, "t": 60 if title else 30, "b": 50}
    return figure.update_layout(_LAYOUT | {"title": {"text": title}, "height": height, "margin": margin})


def draw_effects(frame: pd.DataFrame, measure: str, settings: tuple[str, ...] = ()) -> go.Figure:
    """Main effects: the measure's median and quartiles at each level of each setting."""
    effects = find_effects(frame, measure, settings)
    if not effects:
        return _draw_nothing("No setting differs among the runs")
    columns = min(_COLUMNS, len(effects))
    rows = -(-len(effects) // columns)
    figure = make_subplots(rows=rows, cols=columns, shared_yaxes=True, subplot_titles=list(effects))
    for index, (name, effect) in enumerate(effects.items()):
        median = effect["median"]
        figure.add_scatter(
            # As text: the levels are what was tried, at equal distances.
            x=[str(level) for level in effect.index],
            y=median,
            error_y={"type": "data", "array": effect["high"] - median, "arrayminus": median - effect["low"]},
            mode="lines+markers",
            line={"color": CATEGORY_COLORS[0]},
            name=name,
            row=index // columns + 1,
            col=index % columns + 1,
        )
    figure.update_xaxes(type="category", automargin=True)
    figure.update_yaxes(automargin=True)
    figure.update_yaxes(title_text=measure, col=1)
    return figure.update_layout(_LAYOUT, showlegend=False, height=240 * rows + 60)


def draw_heat_map(frame: pd.DataFrame, column: str, row: str, measure: str) -> go.Figure:
    """Medians of a measure over two settings."""
    heat = find_heat_map(frame, column, row, measure)
    columns, rows = heat.columns.astype(str), heat.index.astype(str)
    colorbar = {"title": {"text": measure}}
    figure = go.Figure(go.Heatmap(x=columns, y=rows, z=heat.to_numpy(), colorscale=_SCALE, colorbar=colorbar))
    figure.update_xaxes(title_text=column, type="category", automargin=True)
    figure.update_yaxes(title_text=row, type="category", automargin=True)
    return figure.update_layout(_LAYOUT, height=380)


def draw_parallel(frame: pd.DataFrame, measure: str) -> go.Figure:
    """Parallel coordinates: a line a run; drag along an axis to choose."""
    measured = keep_measured(frame)
    settings = list_settings(measured)
    if not settings:
        return _draw_nothing("No setting differs among the runs")
    dimensions = []
    for name in settings:
        column = measured[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            values = column.to_numpy(dtype=float)
            levels = np.unique(values[np.isfinite(values)])
            ticks = {"tickvals": levels} if len(levels) <= _MOST_TICKS else {}
            dimensions.append({"label": name, "values": values} | ticks)
            continue
        codes, words = pd.factorize(column.astype(str), sort=True)
        dimensions.append(
            {"label": name, "values": codes, "tickvals": np.arange(len(words)), "ticktext": words}
        )
    values = measured[measure].to_numpy(dtype=float)
    dimensions.append({"label": measure, "values": values})
    line = {"color": values, "colorscale": _SCALE}
    figure = go.Figure(go.Parcoords(dimensions=dimensions, line=line, labelfont={"size": 11}))
    margin = {"l": 80, "r": 80, "t": 70, "b": 30}
    return figure.update_layout(height=420, template="plotly_white", margin=margin)


def draw_front(
    frame: pd.DataFrame, higher_better: str = "operations_per_s", lower_better: str = "peak_resident_bytes"
) -> go.Figure:
    """Throughput against memory, medians over seeds and rounds, with the Pareto front."""
    joined = join_rounds(frame, [higher_better, lower_better])
    joined = joined.sort_values(lower_better)
    settings = [name for name in joined.columns if name not in (higher_better, lower_better)]
    texts = np.array(
        ["<br>".join(f"{name} = {row[name]}" for name in settings) for _, row in joined.iterrows()], object
    )
    x, y = joined[lower_better].to_numpy(dtype=float), joined[higher_better].to_numpy(dtype=float)
    front = find_front(np.column_stack([y, -x]))
    figure = go.Figure()
    figure.add_scatter(x=x, y=y, text=texts, mode="markers", name="settings", marker={"color": "#7d8b99"})
    figure.add_scatter(
        x=x[front],
        y=y[front],
        text=texts[front],
        mode="lines+markers",
        line={"shape": "hv", "color": CATEGORY_COLORS[0]},
        name="Pareto front",
    )
    figure.update_xaxes(title_text=lower_better, automargin=True)
    figure.update_yaxes(title_text=higher_better, automargin=True)
    return figure.update_layout(_LAYOUT, height=420)


def follow_study(frame: pd.DataFrame, objective: str, *, is_higher_better: bool = True) -> pd.DataFrame:
    """Take the course out of a study's frame (`workbench.tuning.Study.to_frame`).

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
    names = [f"{objective.replace('_', ' ')} / that of the defaults" for objective in objectives]
    if len(objectives) > 1:
        if len(frame):
            x, y = f"{objectives[1]}_ratio", f"{objectives[0]}_ratio"
            _add_outcomes(figure, frame, x, y, "%{x:.3f}, %{y:.3f}")
        figure.add_vline(x=1.0, line=_ONE)
        figure.update_xaxes(title_text=names[1])
    else:
        course = follow_study(frame, objectives[0], is_higher_better=objectives[0] != "peak_memory")
        line = {"shape": "hv", "color": OUTCOME_COLORS["better"]}
        figure.add_scatter(x=course["number"], y=course["best"], mode="lines", line=line, name="best so far")
        _add_outcomes(figure, course, "number", "ratio", "%{y:.3f}")
        figure.update_xaxes(title_text="trial")
    figure.update_yaxes(title_text=names[0])
    return figure.update_layout(
        title_text=title, template="plotly_white", height=380, margin={"t": 48, "b": 48}
    )


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
    figure.add_hline(y=1.0, line=_ONE)


def _draw_nothing(words: str) -> go.Figure:
    return go.Figure().update_layout(title={"text": words}, height=160, template="plotly_white")


def keep_measured(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs that were measured to the end."""
    return frame[frame[_FIRST_MEASURED] == "completed"] if len(frame) else frame


def list_settings(frame: pd.DataFrame) -> list[str]:
    """Columns of settings that differ among the runs; seed and round aside."""
    columns = list(frame.columns)
    settings = columns[1 : columns.index(_FIRST_MEASURED)] if _FIRST_MEASURED in columns else []
    return [name for name in settings if name not in _REPEATS and frame[name].nunique(dropna=False) > 1]


def find_effects(frame: pd.DataFrame, measure: str, settings: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """Main effects: for each setting, the measure at each of its levels, whatever the others were.

    Returns
    -------
    dict of str to DataFrame
        By the setting's name; a row a level (its index), with median, low and high: the quartiles.
    """
    _check_columns(frame, [measure, *settings])
    measured = keep_measured(frame)
    effects = {}
    for name in settings or list_settings(measured):
        quartiles = (
            measured.groupby(name)[measure].quantile(np.array([0.5, 0.25, 0.75])).unstack().astype(float)
        )
        effects[str(name)] = quartiles.set_axis(["median", "low", "high"], axis=1)
    return effects


def find_heat_map(frame: pd.DataFrame, column: str, row: str, measure: str) -> pd.DataFrame:
    """Medians of a measure at each pair of levels of two settings; NaN where there is no run."""
    _check_columns(frame, [column, row, measure])
    table = keep_measured(frame).pivot_table(index=row, columns=column, values=measure, aggfunc="median")
    return table.astype(float)


def join_rounds(frame: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """One row for each combination of settings: medians of the measures over seeds and rounds."""
    _check_columns(frame, measures)
    measured = keep_measured(frame)
    settings = list_settings(measured)
    if not settings:
        return measured[list(measures)].median().to_frame().T
    return measured.groupby(settings, dropna=False, sort=True)[list(measures)].median().reset_index()


def _check_columns(frame: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in frame.columns:
            raise BadParameter(describe_unknown("column", name, [str(column) for column in frame.columns]))
