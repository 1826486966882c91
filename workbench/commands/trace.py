"""trace: what a recorded trace tells, as tables or as a page of charts."""

from __future__ import annotations

import functools
import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from workbench.commands.arguments import path_option, rows_option
from workbench.commands.completion import complete_trace
from workbench.commands.output import Answer, answering, pick
from workbench.datasets import find_trace
from workbench.interrupt import ending_at_once
from workbench.table import Table
from workbench.traces import Trace
from workbench.traces.analysis import TraceProfile, profile_trace
from workbench.units import GIB, KIB, MIB, format_rough

_NO_NAMES = "(the trace does not tell which builds of the files were recorded, so functions have no names)"
_LIFETIMES = (64, KIB, 16 * KIB, 256 * KIB, 4 * MIB, 64 * MIB, GIB)

file_argument = click.argument("file", metavar="FILE", shell_complete=complete_trace)


@click.group()
def trace() -> None:
    """Show what a trace holds: `trace summary`, `trace whatif` or `trace plot`.

    FILE is a trace file or a dataset's name. All take --json.
    """


@trace.command()
@file_argument
@rows_option
@answering
def summary(file: str, rows: int) -> Answer:
    """Print sizes, lifetimes, threads, call sites, phases and reallocs of a trace."""
    with Trace.open(find_trace(file)) as opened:
        profile = profile_trace(opened)
        metadata, damage = opened.metadata, opened.damage
    _warn(file, damage)
    values = {
        name: value.to_dict("records") if isinstance(value, pd.DataFrame) else value
        for name, value in vars(profile).items()
        if name != "mix"
    }
    values |= pick(metadata, "program command date complete") | pick(profile, "cross_thread_percent")
    threads = f"{profile.thread_count} thread{'' if profile.thread_count == 1 else 's'}"
    return Answer(
        values | {"damage": damage},
        f"{metadata.program}: {shlex.join(metadata.command)}",
        f"  {profile.event_count} events in {profile.duration_s:.3g} s, {profile.object_count} objects from "
        f"{profile.site_count} call sites in {threads}",
        f"  {_bytes(profile.requested_bytes)} asked for, {_bytes(profile.peak_live_bytes)} live at most, "
        f"{_bytes(profile.final_live_bytes)} at the end",
        f"  {profile.cross_thread_percent:.3g} % of frees are of another thread's objects",
        *_tabulate(profile, rows, [] if metadata.builds else [_NO_NAMES]),
    )


@trace.command()
@file_argument
@rows_option
@answering
def whatif(file: str, rows: int) -> Answer:
    """Foretell what larger and smaller thread caches would do, and advise.

    The events of the trace move the caches of each allocator whose rules are known. An exchange is a refill
    or a flush of a thread's cache. The memory is what all caches hold on average.
    """
    with Trace.open(find_trace(file)) as opened:
        told, metadata = opened.whatif(), opened.metadata
    return Answer(
        told.to_dict(),
        f"{metadata.program}: {metadata.event_count} events in {told.seconds:.3g} s",
        *told.tabulate(rows),
        notes=[f"workbench: {file}: {note}" for note in told.notes],
    )


@trace.command()
@file_argument
@path_option(
    "-o",
    "--output",
    metavar="PAGE",
    help="Write to this file; by default, the trace's name with .html in the current folder.",
)
@answering
def plot(file: str, output: Path | None) -> Answer:
    """Draw all charts of a trace on one HTML page that opens offline, and print its path."""
    with ending_at_once():
        from workbench.plots.trace_figures import write_trace_page

    path = find_trace(file)
    with Trace.open(path) as opened:
        profile, told, damage = profile_trace(opened), opened.whatif(), opened.damage
        title = f"{path.stem}: {opened.metadata.program}" if opened.metadata.program else path.stem
    page = (output or Path(f"{path.stem}.html")).absolute()
    _warn(file, damage)
    write_trace_page(profile, told, title, page, note=f"Damaged {damage}." if damage else "")
    return Answer({"page": page, "damage": damage}, str(page))


def _warn(file: str, damage: str | None) -> None:
    if damage is not None:
        click.echo(f"workbench: {file}: {damage}; what precedes it is told", err=True)


def _tabulate(profile: TraceProfile, rows: int, notes: Sequence[str]) -> Iterator[Table]:
    yield _make_table(
        "sizes asked for most",
        _take_most(profile.sizes, "allocations", rows),
        {
            "up to": lambda row: _bytes(row.upto_bytes),
            "served by": lambda row: row.route,
            "allocations": lambda row: row.allocations,
            "share": lambda row: f"{row.share_percent:.1f} %",
            "of bytes": lambda row: f"{row.requested_percent:.1f} %",
            "live at most": lambda row: row.peak_live_objects,
            "swing": lambda row: row.swing_objects,
        },
        left=("served by",),
        dropped=("swing", "live at most", "of bytes", "share"),
    )
    yield _make_table(
        "lifetimes: freed before so much more was asked for",
        _sum_up_lifetimes(profile),
        {
            "within": lambda row: "ever" if math.isinf(row.limit) else _bytes(row.limit),
            "objects freed": lambda row: f"{row.percent:.1f} %",
        },
    )
    yield _make_table(
        "call sites that allocate most",
        profile.sites.head(rows),
        {
            "call site": lambda row: row.name,
            "allocations": lambda row: row.allocations,
            "share": lambda row: f"{row.share_percent:.1f} %",
            "mean size": lambda row: _bytes(row.mean_bytes),
            "never freed": lambda row: row.never_freed,
            "lives (events)": lambda row: format_rough(row.mean_lifetime_events),
        },
        left=("call site",),
        shortened=("call site",),
        dropped=("lives (events)", "never freed", "mean size", "share"),
        notes=notes,
    )
    yield _make_table(
        "phases",
        profile.phases,
        {
            "from event": lambda row: row.first_event,
            "events": lambda row: row.event_count,
            "seconds": lambda row: f"{row.duration_s:.3g}",
            "allocations": lambda row: row.allocations,
            "mean size": lambda row: _bytes(row.mean_bytes),
            "commonest": lambda row: f"to {_bytes(row.commonest_bytes)} ({row.commonest_percent:.0f} %)",
        },
        left=("commonest",),
        dropped=("commonest", "seconds", "mean size", "events"),
    )
    if len(profile.threads) > 1:
        more = len(profile.threads) - rows
        yield _make_table(
            "threads",
            _take_most(profile.threads, "events", rows),
            {
                "thread": lambda row: row.thread,
                "allocations": lambda row: row.allocations,
                "reallocs": lambda row: row.reallocs,
                "frees": lambda row: row.frees,
                "of others": lambda row: row.frees_of_others,
                "freed by others": lambda row: row.freed_by_others,
            },
            dropped=("freed by others", "of others", "reallocs"),
            notes=[f"and {more} more"] if more > 0 else [],
        )
    if len(profile.reallocs):
        yield _make_table(
            "reallocs, by the size before",
            _take_most(profile.reallocs, "reallocs", rows),
            {
                "up to": lambda row: _bytes(row.upto_bytes),
                "reallocs": lambda row: row.reallocs,
                "grown": lambda row: row.grown,
                "shrunk": lambda row: row.shrunk,
                "same class": lambda row: row.same_class,
                "growth": lambda row: f"{row.growth:.2f}",
            },
            dropped=("growth", "same class", "shrunk"),
        )


def _make_table(
    title: str,
    frame: pd.DataFrame,
    columns: Mapping[str, Callable[[Any], object]],
    *,
    left: Sequence[str] = (),
    **options: Any,
) -> Table:
    """A table with a line for each row of a frame; those columns are numbers that are not in `left`."""
    numbers = [name for name in columns if name not in left]
    return Table.of(frame.itertuples(), columns, right=numbers, caption=f"\n{title}", **options)


def _take_most(frame: pd.DataFrame, column: str, rows: int) -> pd.DataFrame:
    return frame.sort_values(column, ascending=False, kind="stable").head(rows)


def _sum_up_lifetimes(profile: TraceProfile) -> pd.DataFrame:
    """How many objects, in percent, had been freed before `limit` more bytes were asked for."""
    lives = profile.lifetimes[profile.lifetimes["clock"] == "bytes"]
    limits = [limit for limit in _LIFETIMES if limit // 16 <= profile.requested_bytes] + [math.inf]
    freed = [lives["objects"][lives["most"] < limit].sum() for limit in limits]
    percent = 100.0 * np.array(freed) / max(1, profile.object_count)
    return pd.DataFrame({"limit": limits, "percent": percent})


_bytes = functools.partial(format_rough, unit="bytes")
