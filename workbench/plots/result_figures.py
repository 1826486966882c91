"""Charts of runs and comparisons as Plotly figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.experiments import THROUGHPUT, Comparison, Measure, find_measure
from workbench.experiments.inference import find_front
from workbench.plots.charts import CATEGORY_COLORS
from workbench.plots.results import find_effects, find_heat_map, join_rounds, keep_measured, list_settings

_COLUMNS = 3
_ROW_PX = 22
_VERDICT_COLORS = {"better": "#2a9d8f", "worse": "#c9506a", "cannot tell": "#7d8b99"}
_SCALE = "Viridis"
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
        measure = find_measure(measure)
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
    figure.add_vline(x=1.0, line={"color": "#444444", "width": 1})
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


def _draw_nothing(words: str) -> go.Figure:
    return go.Figure().update_layout(title={"text": words}, height=160, template="plotly_white")
