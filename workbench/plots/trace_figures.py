"""What a trace tells as Plotly figures; the tables come from `workbench.traces.analysis`.

At the end stands what turns a table into what a figure shows: names of bins, grids, shares.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from workbench.curves import WhatIf
from workbench.plots.charts import CATEGORY_COLORS, ORDER_COLORS
from workbench.plots.page import write_page
from workbench.plots.whatif_figures import draw_whatif
from workbench.traces.analysis import TraceProfile
from workbench.units import MIB, format_rough

ROUTE_COLORS = dict(zip(("tiny", "mid", "L2.5", "big"), CATEGORY_COLORS, strict=False))
_BLUE, _ORANGE, _GREEN, _RED = CATEGORY_COLORS[:4]
_HEIGHT_PX = 340
_LEAST_BYTES_PERCENT = 0.5  # less would lie on the axis
_LEAST_SITE_PERCENT = 0.3  # less makes no visible bar
#: Units of the clocks that lifetimes are told by.
CLOCK_UNITS = {"bytes": "bytes asked for meanwhile", "events": "events", "us": "time"}
_LEAST_THREAD_SHARE = 0.005  # of all events; less makes no visible bar
_COARSE_BOUNDS_BYTES = (16, 32, 64, 128, 256, 512, 1024, 4096, 32768, 1 << 20)


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
    """How long objects live by a clock of `CLOCK_UNITS`; what is never freed stands at the right."""
    rows = profile.lifetimes[profile.lifetimes["clock"] == clock]
    names = name_lifetimes(rows["most"], clock)
    objects = np.array([*rows["objects"], profile.object_count - rows["objects"].sum()])
    shares = objects * (100.0 / max(1, profile.object_count))
    figure = go.Figure()
    figure.add_bar(
        x=[*names, "never freed"],
        y=shares,
        marker_color=[*[_BLUE] * len(rows), _RED],
        customdata=objects,
        hovertemplate="up to %{x}: %{y:.2f} % of objects (%{customdata:,})<extra></extra>",
        name="objects",
    )
    figure.add_scatter(
        x=names,
        y=np.cumsum(shares[:-1]),
        name="freed by then",
        mode="lines",
        line={"color": _ORANGE, "width": 2, "shape": "hv"},
        hovertemplate="%{y:.1f} % freed within %{x}<extra></extra>",
    )
    unit = CLOCK_UNITS[clock]
    return _finish(figure, "Lifetimes", f"lifetime, up to ({unit})", "share of objects (%)", is_class=True)


def draw_lifetimes_by_size(profile: TraceProfile) -> go.Figure:
    """Which sizes live how long: a cell a size class and lifetime, its colour the number of objects."""
    lifetime, size = "most_lifetime_bytes", "upto_bytes"
    grid = profile.lifetimes_by_size.pivot_table("objects", lifetime, size, aggfunc="sum", fill_value=0)
    if len(grid):  # also lifetimes between those that occurred have a place
        bounds = (1 << np.arange(63)) - 1
        grid = grid.reindex(bounds[(grid.index[0] <= bounds) & (bounds <= grid.index[-1])], fill_value=0)
    objects = grid.to_numpy()
    figure = go.Figure()
    with np.errstate(divide="ignore"):
        logs = np.where(objects > 0, np.log10(objects.astype(float)), np.nan)
    figure.add_heatmap(
        x=[name_bytes(float(size)) for size in grid.columns],
        y=[name_bytes(bound + 1 if bound else 0) for bound in grid.index],
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
        y=live["highest_bytes"] / MIB,
        name="highest in the stretch",
        mode="lines",
        line={"color": "#b9cdea", "width": 1},
        hovertemplate="%{y:.2f} MiB at most<extra></extra>",
    )
    figure.add_scatter(
        x=live["event"],
        y=live["live_bytes"] / MIB,
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
    labels = [f"to {name_bytes(bound)}" for bound in _COARSE_BOUNDS_BYTES]
    labels.append(f"above {name_bytes(_COARSE_BOUNDS_BYTES[-1])}")
    classes = profile.mix.columns.to_numpy(float)
    groups = pd.CategoricalIndex(pd.cut(classes, [0, *_COARSE_BOUNDS_BYTES, np.inf], labels=labels))
    counts = profile.mix.T.groupby(groups, observed=True).sum().T
    total = counts.sum(axis=1)
    # Stretches without allocations show the mix of the one before.
    mix = (counts.div(total.where(total > 0), axis=0) * 100.0).ffill().fillna(0.0)
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
    number = rows.groupby("name").cumcount() + 1  # several calls of one line are bars of their own
    names = rows["name"].astype(str)  # no column of text where a trace is empty
    names = names.where(number == 1, names + " (" + number.astype(str) + ")")
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


def write_trace_page(profile: TraceProfile, told: WhatIf, title: str, path: Path, note: str = "") -> None:
    """Write all figures as one HTML page that needs nothing else, no network either.

    The last are what-if curves, a figure an allocator. The note is what else the reader has to know, as that
    the trace is damaged.
    """
    left_out = {"threads": profile.thread_count < 2, "reallocs": profile.reallocs.empty}
    figures = [(name, draw(profile)) for name, draw in FIGURES.items() if not left_out.get(name)]
    figures += [(f"whatif_{name}", draw_whatif(told, name)) for name in told.allocators]
    threads = "1 thread" if profile.thread_count == 1 else f"{profile.thread_count} threads"
    facts = (
        f"<p>{profile.event_count:,} events in {profile.duration_s:.3g} s, {profile.object_count:,} objects, "
        f"{threads}, {name_bytes(profile.peak_live_bytes)} live at most</p>"
    ) + (f"<p><strong>{html.escape(note)}</strong></p>" if note else "")
    write_page(path, title, facts, figures)


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


def name_bytes(size_bytes: float) -> str:
    """A size for an axis: 48 B, 1 KiB, 2.5 MiB."""
    return f"{int(size_bytes)} B" if size_bytes < 1024 else format_rough(float(size_bytes), "bytes")


def name_lifetimes(upper_bounds: Iterable[int], clock: str) -> list[str]:
    """Upper bounds of bins of lifetimes for an axis; `clock` is bytes, events or us."""
    name: Callable[[float], str] = {"bytes": name_bytes, "us": _name_time}.get(clock, format_rough)
    return [name(float(bound + 1 if bound else 0)) for bound in upper_bounds]


def _name_time(time_us: float) -> str:
    unit, size = ("s", 1e6) if time_us >= 1e6 else ("ms", 1e3)
    return f"{time_us / size:.3g} {unit}" if time_us >= 1e3 else f"{time_us:.0f} µs"


def choose_threads(threads: pd.DataFrame, most: int) -> pd.DataFrame:
    """Rows for a chart from the bottom up: the busiest threads by number, below them all others as one.

    Threads with less than 0.5 % of all events never have a row of their own. The columns are name, events,
    allocations, frees and frees_of_others.
    """
    columns = ["events", "allocations", "frees", "frees_of_others"]
    ranked = threads.sort_values("events", ascending=False, kind="stable")
    is_busy = ranked["events"] >= _LEAST_THREAD_SHARE * ranked["events"].sum()
    own = ranked[is_busy].head(most)
    if len(ranked) - len(own) == 1:
        own = ranked
    chosen = own.sort_values("thread", ascending=False)
    rows = chosen[columns].assign(name=[f"thread {thread}" for thread in chosen["thread"]])
    others = ranked.drop(own.index)
    if not others.empty:
        rest = others[columns].sum().to_frame().T.assign(name=f"{len(others)} others")
        rows = pd.concat([rest, rows], ignore_index=True)
    return rows[["name", *columns]]
