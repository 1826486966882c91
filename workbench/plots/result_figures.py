"""Charts of trials and comparisons as Plotly figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from workbench.experiments import THROUGHPUT, Comparison, Measure
from workbench.plots.charts import CATEGORY_COLORS
from workbench.plots.results import (
    find_effects,
    find_front,
    find_heat_map,
    join_rounds,
    keep_measured,
    list_ratios,
    list_settings,
)

_COLUMNS = 3
_ROW_PX = 22
_VERDICT_COLORS = {"better": "#2a9d8f", "worse": "#c9506a", "cannot tell": "#7d8b99"}
_SCALE = "Viridis"
_MARGINS = {"l": 20, "r": 20, "t": 40, "b": 40}
# An axis with so few values has a tick at each of them, and none between.
_MOST_TICKS = 12


def draw_ratios(comparison: Comparison, measure: Measure = THROUGHPUT, title: str = "") -> go.Figure:
    """Ratios to the baseline with their 95 % intervals, a line each; green is better, red worse."""
    rows = list_ratios(comparison, measure)[::-1]
    baseline = comparison.plan.variants[0].name
    figure = go.Figure()
    for verdict, color in _VERDICT_COLORS.items():
        chosen = [row for row in rows if row.verdict == verdict]
        if not chosen:
            continue
        # Without enough rounds there is no interval: then a point alone.
        up = [row.high - row.estimate if np.isfinite(row.high) else 0.0 for row in chosen]
        down = [row.estimate - row.low if np.isfinite(row.low) else 0.0 for row in chosen]
        figure.add_trace(
            go.Scatter(
                x=[row.estimate for row in chosen],
                y=[f"{row.work} · {row.variant}" for row in chosen],
                error_x={"type": "data", "array": up, "arrayminus": down, "thickness": 1.5},
                mode="markers",
                marker={"color": color, "size": 8},
                name=verdict,
                hovertemplate="%{y}: %{x:.3f}<extra></extra>",
            )
        )
    figure.add_vline(x=1.0, line={"color": "#444444", "width": 1})
    direction = "higher" if measure.is_higher_better else "lower"
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[f"{row.work} · {row.variant}" for row in rows],
        automargin=True,
        tickfont={"size": 11},
    )
    figure.update_xaxes(
        title_text=f"{measure.name} / {measure.name} of {baseline}, {direction} is better", type="log"
    )
    figure.update_layout(
        title={"text": title},
        height=120 + _ROW_PX * max(len(rows), 3),
        template="plotly_white",
        margin={"l": 20, "r": 20, "t": 60 if title else 30, "b": 50},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1.0, "xanchor": "right"},
    )
    return figure


def draw_effects(frame: pd.DataFrame, measure: str, settings: tuple[str, ...] = ()) -> go.Figure:
    """Main effects: the measure's median and quartiles at each level of each setting."""
    effects = find_effects(frame, measure, settings)
    if not effects:
        return _draw_nothing("No setting differs among the trials")
    columns = min(_COLUMNS, len(effects))
    rows = -(-len(effects) // columns)
    figure = make_subplots(
        rows=rows, cols=columns, shared_yaxes=True, subplot_titles=[effect.name for effect in effects]
    )
    for index, effect in enumerate(effects):
        # As text: the levels are what was tried, at equal distances.
        levels = [str(level) for level in effect.levels]
        figure.add_trace(
            go.Scatter(
                x=levels,
                y=effect.median,
                error_y={
                    "type": "data",
                    "array": effect.high - effect.median,
                    "arrayminus": effect.median - effect.low,
                },
                mode="lines+markers",
                line={"color": CATEGORY_COLORS[0]},
                name=effect.name,
            ),
            row=index // columns + 1,
            col=index % columns + 1,
        )
    figure.update_xaxes(type="category")
    figure.update_yaxes(title_text=measure, col=1)
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    figure.update_layout(showlegend=False, height=240 * rows + 60, template="plotly_white", margin=_MARGINS)
    return figure


def draw_heat_map(frame: pd.DataFrame, column: str, row: str, measure: str) -> go.Figure:
    """Medians of a measure over two settings."""
    heat = find_heat_map(frame, column, row, measure)
    figure = go.Figure(
        go.Heatmap(
            x=[str(level) for level in heat.columns],
            y=[str(level) for level in heat.rows],
            z=heat.values,
            colorscale=_SCALE,
            colorbar={"title": {"text": measure}},
        )
    )
    figure.update_xaxes(title_text=column, type="category", automargin=True)
    figure.update_yaxes(title_text=row, type="category", automargin=True)
    figure.update_layout(height=380, template="plotly_white", margin=_MARGINS)
    return figure


def draw_parallel(frame: pd.DataFrame, measure: str) -> go.Figure:
    """Parallel coordinates: a line a trial; drag along an axis to choose."""
    measured = keep_measured(frame)
    settings = list_settings(measured)
    if not settings:
        return _draw_nothing("No setting differs among the trials")
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
            {"label": name, "values": codes, "tickvals": list(range(len(words))), "ticktext": list(words)}
        )
    values = measured[measure].to_numpy(dtype=float)
    dimensions.append({"label": measure, "values": values})
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions, line={"color": values, "colorscale": _SCALE}, labelfont={"size": 11}
        )
    )
    figure.update_layout(height=420, template="plotly_white", margin={"l": 80, "r": 80, "t": 70, "b": 30})
    return figure


def draw_front(
    frame: pd.DataFrame,
    higher_better: str = "operations_per_s",
    lower_better: str = "peak_resident_bytes",
) -> go.Figure:
    """Throughput against memory, medians over seeds and rounds, with the Pareto front."""
    joined = join_rounds(frame, [higher_better, lower_better])
    settings = [name for name in joined.columns if name not in (higher_better, lower_better)]
    texts = ["<br>".join(f"{name} = {row[name]}" for name in settings) for _, row in joined.iterrows()]
    x, y = joined[lower_better].to_numpy(dtype=float), joined[higher_better].to_numpy(dtype=float)
    on_front = find_front(y, x)
    order = np.argsort(x[on_front])
    figure = go.Figure()
    figure.add_trace(
        go.Scatter(x=x, y=y, text=texts, mode="markers", name="settings", marker={"color": "#7d8b99"})
    )
    figure.add_trace(
        go.Scatter(
            x=x[on_front][order],
            y=y[on_front][order],
            text=np.array(texts, dtype=object)[on_front][order],
            mode="lines+markers",
            line={"shape": "hv", "color": CATEGORY_COLORS[0]},
            name="Pareto front",
        )
    )
    figure.update_xaxes(title_text=lower_better, automargin=True)
    figure.update_yaxes(title_text=higher_better, automargin=True)
    figure.update_layout(
        height=420,
        template="plotly_white",
        margin=_MARGINS,
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 1.0, "xanchor": "right"},
    )
    return figure


def _draw_nothing(words: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(title={"text": words}, height=160, template="plotly_white")
    return figure
