"""From a trace's tables to what a figure shows: names of bins, grids, shares. Nothing here draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from workbench.traces.analysis import TraceProfile
from workbench.units import format_rough

#: Units of the clocks that lifetimes are told by.
CLOCK_UNITS = {"bytes": "bytes asked for meanwhile", "events": "events", "us": "time"}
_LEAST_THREAD_SHARE = 0.005  # of all events; less makes no visible bar
_COARSE_BOUNDS_BYTES = (16, 32, 64, 128, 256, 512, 1024, 4096, 32768, 1 << 20)


def describe_profile(profile: TraceProfile) -> str:
    """What a trace comes to, in one line."""
    threads = "1 thread" if profile.thread_count == 1 else f"{profile.thread_count} threads"
    return (
        f"{profile.event_count:,} events in {profile.duration_s:.3g} s, {profile.object_count:,} objects, "
        f"{threads}, {name_bytes(profile.peak_live_bytes)} live at most"
    )


def name_bytes(size_bytes: float) -> str:
    """A size for an axis: 48 B, 1 KiB, 2.5 MiB."""
    return f"{int(size_bytes)} B" if size_bytes < 1024 else format_rough(float(size_bytes), "bytes")


def name_lifetimes(upper_bounds: Iterable[int], clock: str) -> list[str]:
    """Upper bounds of bins of lifetimes for an axis; `clock` is bytes, events or us."""
    name: Callable[[float], str] = {"bytes": name_bytes, "us": _name_time}.get(clock, format_rough)
    return [name(float(bound + 1 if bound else 0)) for bound in upper_bounds]


def _name_time(time_us: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if time_us >= size:
            return f"{time_us / size:.3g} {unit}"
    return f"{time_us:.0f} µs"


def name_sites(sites: pd.DataFrame) -> list[str]:
    """Call sites as module+offset, each once."""
    places = sites[["module", "offset"]].itertuples(index=False)
    return [f"{module or '?'}+{offset:#x}" for module, offset in places]


def spread_lifetimes(frame: pd.DataFrame) -> pd.DataFrame:
    """Objects by lifetime (rows) and size class (columns), each named by its upper bound in bytes.

    All size classes and lifetimes that occurred have a place, and the lifetimes between them.

    Parameters
    ----------
    frame : DataFrame
        upto_bytes, most_lifetime_bytes and objects.
    """
    grid = frame.pivot_table(
        index="most_lifetime_bytes", columns="upto_bytes", values="objects", aggfunc="sum", fill_value=0
    )
    if len(grid):
        bounds = (1 << np.arange(63)) - 1
        bounds = bounds[(grid.index[0] <= bounds) & (bounds <= grid.index[-1])]
        grid = grid.reindex(bounds, fill_value=0)
    return grid.set_axis([bound + 1 if bound else 0 for bound in grid.index], axis=0)


def group_mix(mix: pd.DataFrame) -> pd.DataFrame:
    """The mix of sizes in few groups and percent; stretches without allocations show the one before.

    Parameters
    ----------
    mix : DataFrame
        Allocations; columns are upper bounds of size classes, in bytes.
    """
    names = [f"to {name_bytes(bound)}" for bound in _COARSE_BOUNDS_BYTES]
    names.append(f"above {name_bytes(_COARSE_BOUNDS_BYTES[-1])}")
    groups = pd.cut(mix.columns.to_numpy(float), [0, *_COARSE_BOUNDS_BYTES, np.inf], labels=names)
    grouped: pd.DataFrame = (
        mix.T.groupby(pd.CategoricalIndex(groups), observed=True).sum().T.rename(columns=str)
    )
    total = grouped.sum(axis=1)
    return (grouped.div(total.where(total > 0), axis=0) * 100.0).ffill().fillna(0.0)


def choose_threads(threads: pd.DataFrame, most: int) -> pd.DataFrame:
    """Rows for a chart from the bottom up: the busiest threads by number, below them all others as one.

    Parameters
    ----------
    threads : DataFrame
        A profile's.
    most : int
        The most threads that have a row of their own; threads with less than 0.5 % of all events never have.

    Returns
    -------
    DataFrame
        name, events, allocations, frees, frees_of_others.
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
