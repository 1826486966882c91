"""What a trace tells as Plotly figures; the tables come from `workbench.traces.analysis`."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from workbench.output_file import write_output
from workbench.plots.charts import CATEGORY_COLORS, ORDER_COLORS
from workbench.plots.trace_rows import (
    CLOCK_UNITS,
    choose_threads,
    describe_profile,
    group_mix,
    name_bytes,
    name_lifetimes,
    name_sites,
    spread_lifetimes,
)
from workbench.traces.analysis import TraceProfile

ROUTE_COLORS = dict(zip(("tiny", "mid", "L2.5", "big"), CATEGORY_COLORS, strict=False))
_BLUE, _ORANGE, _GREEN, _RED = CATEGORY_COLORS[:4]
_HEIGHT_PX = 340
_LEAST_BYTES_PERCENT = 0.5  # less would lie on the axis
_LEAST_SITE_PERCENT = 0.3  # less makes no visible bar
_MIB = float(1 << 20)


def draw_sizes(profile: TraceProfile) -> go.Figure:
    """How often each size class is asked for, and how much memory that is; colours say who serves it."""
    figure = go.Figure()
    for route, rows in profile.sizes.groupby("route", sort=False):
        figure.add_bar(
            x=[name_bytes(size) for size in rows["upto_bytes"]],
            y=rows["share_percent"],
            name=str(route),
            marker_color=ROUTE_COLORS[str(route)],
            customdata=rows[["allocations", "requested_percent", "peak_live_objects"]],
            hovertemplate="to %{x}: %{y:.2f} % of allocations (%{customdata[0]:,})<br>"
            "%{customdata[1]:.2f} % of bytes, %{customdata[2]:,} live at most<extra></extra>",
        )
    large = profile.sizes[profile.sizes["requested_percent"] >= _LEAST_BYTES_PERCENT]
    figure.add_scatter(
        x=[name_bytes(size) for size in large["upto_bytes"]],
        y=large["requested_percent"],
        name="share of bytes",
        mode="markers",
        marker={"size": 7, "symbol": "diamond-open", "color": "#333333"},
        hovertemplate="to %{x}: %{y:.2f} % of bytes<extra></extra>",
    )
    return _finish(figure, "Sizes asked for", "size class, up to", "share (%)", is_class=True)


def draw_lifetimes(profile: TraceProfile, clock: str = "bytes") -> go.Figure:
    """How long objects live; what is never freed stands at the right.

    Parameters
    ----------
    profile : TraceProfile
    clock : str
        "bytes" asked for meanwhile, "events", or "us".
    """
    rows = profile.lifetimes[profile.lifetimes["clock"] == clock]
    names = name_lifetimes(rows["most"], clock)
    never = profile.object_count - int(rows["objects"].sum())
    shares = rows["objects"] * (100.0 / max(1, profile.object_count))
    never_percent = 100.0 * never / max(1, profile.object_count)
    figure = go.Figure()
    figure.add_bar(
        x=[*names, "never freed"],
        y=[*shares, never_percent],
        marker_color=[*[_BLUE] * len(rows), _RED],
        customdata=[*rows["objects"], never],
        hovertemplate="up to %{x}: %{y:.2f} % of objects (%{customdata:,})<extra></extra>",
        name="objects",
    )
    figure.add_scatter(
        x=names,
        y=np.cumsum(shares),
        name="freed by then",
        mode="lines",
        line={"color": _ORANGE, "width": 2, "shape": "hv"},
        hovertemplate="%{y:.1f} % freed within %{x}<extra></extra>",
    )
    unit = CLOCK_UNITS[clock]
    return _finish(figure, "Lifetimes", f"lifetime, up to ({unit})", "share of objects (%)", is_class=True)


def draw_lifetimes_by_size(profile: TraceProfile) -> go.Figure:
    """Which sizes live how long: a cell a size class and lifetime, its colour the number of objects."""
    grid = spread_lifetimes(profile.lifetimes_by_size)
    objects = grid.to_numpy()
    figure = go.Figure()
    with np.errstate(divide="ignore"):
        logs = np.where(objects > 0, np.log10(objects.astype(float)), np.nan)
    figure.add_heatmap(
        x=[name_bytes(float(size)) for size in grid.columns],
        y=[name_bytes(most) for most in grid.index],
        z=logs,
        customdata=objects,
        colorscale="Viridis",
        hoverongaps=False,
        hovertemplate="to %{x}, freed within %{y}: %{customdata:,} objects<extra></extra>",
        colorbar={"title": "objects", "tickvals": [*range(9)], "ticktext": [f"{10**n:,}" for n in range(9)]},
    )
    figure.update_yaxes(type="category")
    return _finish(
        figure, "Lifetimes by size", "size class, up to", "lifetime: bytes asked for meanwhile", is_class=True
    )


def draw_live(profile: TraceProfile) -> go.Figure:
    """Live bytes over the trace's course, with the begin of every phase."""
    live = profile.live
    figure = go.Figure()
    figure.add_scatter(
        x=live["event"],
        y=live["highest_bytes"] / _MIB,
        name="highest in the stretch",
        mode="lines",
        line={"color": "#b9cdea", "width": 1},
        hovertemplate="%{y:.2f} MiB at most<extra></extra>",
    )
    figure.add_scatter(
        x=live["event"],
        y=live["live_bytes"] / _MIB,
        name="live bytes",
        mode="lines",
        line={"color": _BLUE, "width": 2},
        customdata=np.column_stack([live["live_objects"], live["time_s"]]),
        hovertemplate="%{y:.2f} MiB in %{customdata[0]:,} objects, %{customdata[1]:.3f} s<extra></extra>",
    )
    _mark_phases(figure, profile, "#8a63d2")
    return _finish(figure, "Live bytes, and phases (dotted)", "event", "live (MiB)", hovermode="x unified")


def draw_phases(profile: TraceProfile) -> go.Figure:
    """The mix of sizes over the trace's course, with the begin of every phase."""
    mix = group_mix(profile.mix)
    figure = go.Figure()
    for index, name in enumerate(mix.columns):
        figure.add_scatter(
            x=mix.index,
            y=mix[name],
            name=str(name),
            mode="lines",
            stackgroup="mix",
            line={"width": 0, "shape": "hv"},
            fillcolor=ORDER_COLORS[round(index * (len(ORDER_COLORS) - 1) / max(1, len(mix.columns) - 1))],
            hovertemplate="%{y:.1f} %",
        )
    _mark_phases(figure, profile, "#333333")
    figure.update_yaxes(range=[0, 100])
    return _finish(
        figure,
        "What is asked for when, and phases (dotted)",
        "event",
        "share of allocations (%)",
        hovermode="x unified",
        legend={"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top"},
    )


def draw_sites(profile: TraceProfile, most: int = 15) -> go.Figure:
    """The call sites that allocate most: freed, and never freed."""
    is_seen = profile.sites["share_percent"] >= _LEAST_SITE_PERCENT
    rows = profile.sites[is_seen].head(most).iloc[::-1]
    scale = 100.0 / max(1, profile.object_count)
    names = name_sites(rows)
    figure = go.Figure()
    for column, label, color in (("freed", "freed", _BLUE), ("never_freed", "never freed", _RED)):
        figure.add_bar(
            y=names,
            x=rows[column] * scale,
            orientation="h",
            name=label,
            marker_color=color,
            customdata=rows[["allocations", "mean_bytes", "mean_lifetime_events"]],
            hovertemplate=f"%{{y}}: %{{x:.2f}} % of allocations {label}<br>%{{customdata[0]:,}} allocations "
            "of %{customdata[1]:,.0f} bytes each, freed after %{customdata[2]:,.0f} events on average"
            "<extra></extra>",
        )
    figure.update_yaxes(type="category", automargin=True, tickfont={"family": "monospace", "size": 11})
    height = 120 + 22 * max(4, len(rows))
    title = "Call sites that allocate most"
    return _finish(figure, title, "share of allocations (%)", "", barmode="stack", height=height)


def draw_threads(profile: TraceProfile, most: int = 16) -> go.Figure:
    """What each thread allocates, and how much of it others free; those that do little are one row."""
    rows = choose_threads(profile.threads, most)
    figure = go.Figure()
    # From the bottom up, as horizontal bars are.
    for label, values, color in (
        ("frees of others' objects", rows["frees_of_others"], _ORANGE),
        ("frees of its own", rows["frees"] - rows["frees_of_others"], _GREEN),
        ("allocations", rows["allocations"], _BLUE),
    ):
        figure.add_bar(y=rows["name"], x=values, orientation="h", name=label, marker_color=color)
    figure.update_yaxes(type="category", automargin=True)
    title = f"Threads: {profile.cross_thread_percent:.3g} % of frees are of another thread's objects"
    height = 150 + 36 * len(rows)
    return _finish(figure, title, "events", "", height=height, legend_traceorder="reversed")


def draw_reallocs(profile: TraceProfile) -> go.Figure:
    """How often each size is reallocated, up or down."""
    rows = profile.reallocs
    names = [name_bytes(size) for size in rows["upto_bytes"]]
    figure = go.Figure()
    for label, color in (("grown", _BLUE), ("shrunk", _ORANGE)):
        figure.add_bar(x=names, y=rows[label], name=label, marker_color=color)
    figure.add_scatter(
        x=names,
        y=rows["same_class"],
        name="stays in its class",
        mode="markers",
        marker={"color": "#333333", "symbol": "line-ew-open", "size": 14},
    )
    return _finish(figure, "Reallocs", "size class before, up to", "reallocs", is_class=True, barmode="stack")


_GENERATOR = "<meta name='generator' content='HAKMEM workbench'>"

#: All figures of a profile, by name, in the order of a page.
FIGURES: Mapping[str, Callable[[TraceProfile], go.Figure]] = {
    "sizes": draw_sizes,
    "lifetimes": draw_lifetimes,
    "lifetimes_by_size": draw_lifetimes_by_size,
    "live": draw_live,
    "phases": draw_phases,
    "sites": draw_sites,
    "threads": draw_threads,
    "reallocs": draw_reallocs,
}


def write_page(profile: TraceProfile, title: str, path: Path, note: str = "") -> None:
    """Write all figures as one HTML page that needs nothing else, no network either.

    Parameters
    ----------
    profile : TraceProfile
    title : str
        Heading of the page.
    path : Path
        Where to.
    note : str, optional
        What else the reader has to know, as that the trace is damaged.
    """
    left_out = {"threads": profile.thread_count < 2, "reallocs": profile.reallocs.empty}
    parts: list[str] = []
    for name, draw in FIGURES.items():
        if not left_out.get(name):
            options = {"full_html": False, "div_id": name, "config": {"displaylogo": False}}
            parts.append(draw(profile).to_html(include_plotlyjs=not parts, **options))
    heading, warning = html.escape(title), html.escape(note)
    facts = describe_profile(profile) + (f"<br><strong>{warning}</strong>" if note else "")
    page = (
        f"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>{_GENERATOR}<title>{heading}</title>"
        "<style>body{font-family:sans-serif;max-width:1100px;margin:1em auto;padding:0 1em}</style></head>"
        f"<body><h1>{heading}</h1><p>{facts}</p>\n" + "\n".join(parts) + "\n</body></html>\n"
    )
    write_output(path, page, "a page of `trace plot`", lambda text: _GENERATOR in text)


def _finish(
    figure: go.Figure, title: str, x_title: str, y_title: str, *, is_class: bool = False, **layout: Any
) -> go.Figure:
    """Give a figure its titles; `is_class`: the horizontal axis has names of classes, not numbers."""
    figure.update_xaxes(title_text=x_title, title_standoff=8, type="category" if is_class else None)
    figure.update_yaxes(title_text=y_title, rangemode="tozero")
    common = {
        "title": {"text": title, "font": {"size": 16}},
        "height": _HEIGHT_PX,
        "template": "plotly_white",
        "margin": {"l": 70, "r": 30, "t": 60, "b": 60},
        "legend": {"orientation": "h", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom"},
        "bargap": 0.15,
    }
    return figure.update_layout(common | layout)


def _mark_phases(figure: go.Figure, profile: TraceProfile, color: str) -> None:
    for first_event in profile.phases["first_event"][1:]:
        figure.add_vline(x=first_event, line={"color": color, "width": 1, "dash": "dot"})
