"""trace: what a recorded trace tells, as tables or as a page of charts."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import pandas as pd

from workbench.commands.completion import complete_trace
from workbench.commands.output import json_option, print_json, print_table
from workbench.datasets import find_trace
from workbench.interrupt import ending_at_once
from workbench.traces import Trace
from workbench.traces.analysis import TraceProfile, profile_trace
from workbench.units import format_rough

_CLOCK = "bytes"

file_argument = click.argument("file", metavar="FILE", shell_complete=complete_trace)


@click.group()
def trace() -> None:
    """Show what a trace holds: `trace summary` or `trace plot`. FILE is a trace file or a dataset's name.

    Both take --json.
    """


@trace.command()
@file_argument
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    metavar="N",
    help="Number of rows in each table.",
)
@json_option
def summary(file: str, rows: int, as_json: bool) -> None:
    """Print sizes, lifetimes, threads, call sites, phases and reallocs of a trace."""
    with Trace.open(find_trace(file)) as opened:
        profile = profile_trace(opened)
        metadata, damage = opened.metadata, opened.damage
    _warn(file, damage)
    if as_json:
        values = {
            field.name: getattr(profile, field.name)
            for field in dataclasses.fields(profile)
            if field.name != "mix"
        }
        tables = {
            name: value.to_dict("records") if isinstance(value, pd.DataFrame) else value
            for name, value in values.items()
        }
        print_json(
            {
                "program": metadata.program,
                "command": metadata.command,
                "date": metadata.date,
                "complete": metadata.complete,
                "damage": damage,
                "cross_thread_percent": profile.cross_thread_percent,
                **tables,
            }
        )
        return
    click.echo(f"{metadata.program}: {shlex.join(metadata.command)}")
    _print_totals(profile)
    _print_sizes(profile, rows)
    _print_lifetimes(profile)
    _print_sites(profile, rows)
    _print_phases(profile)
    if len(profile.threads) > 1:
        _print_threads(profile, rows)
    if len(profile.reallocs):
        _print_reallocs(profile, rows)


@trace.command()
@file_argument
@click.option(
    "-o",
    "--output",
    metavar="PAGE",
    type=click.Path(path_type=Path),
    help="Write to this file; by default, the trace's name with .html in the current folder.",
)
@json_option
def plot(file: str, output: Path | None, as_json: bool) -> None:
    """Draw all charts of a trace on one HTML page that opens offline, and print its path."""
    with ending_at_once():
        from workbench.plots.trace_figures import write_page

    path = find_trace(file)
    with Trace.open(path) as opened:
        profile, damage = profile_trace(opened), opened.damage
        title = f"{path.stem}: {opened.metadata.program}" if opened.metadata.program else path.stem
    page = (output or Path(f"{path.stem}.html")).absolute()
    _warn(file, damage)
    write_page(profile, title, page, note=f"Damaged {damage}." if damage else "")
    if as_json:
        print_json({"page": page, "damage": damage})
    else:
        click.echo(str(page))


def _warn(file: str, damage: str | None) -> None:
    if damage is not None:
        click.echo(f"workbench: {file}: {damage}; what precedes it is told", err=True)


def _print_totals(profile: TraceProfile) -> None:
    click.echo(
        f"  {profile.event_count} events in {profile.duration_s:.3g} s, {profile.object_count} objects from "
        f"{profile.site_count} call sites in {_count(profile.thread_count, 'thread')}"
    )
    click.echo(
        f"  {format_rough(profile.requested_bytes, 'bytes')} asked for, "
        f"{format_rough(profile.peak_live_bytes, 'bytes')} live at most, "
        f"{format_rough(profile.final_live_bytes, 'bytes')} at the end"
    )
    click.echo(f"  {profile.cross_thread_percent:.3g} % of frees are of another thread's objects")


def _print_sizes(profile: TraceProfile, rows: int) -> None:
    click.echo("\nsizes asked for most")
    frame = profile.sizes.sort_values("allocations", ascending=False, kind="stable").head(rows)
    print_table(
        ("up to", "served by", "allocations", "share", "of bytes", "live at most", "swing"),
        [
            (
                format_rough(row.upto_bytes, "bytes"), row.route, row.allocations,
                f"{row.share_percent:.1f} %", f"{row.requested_percent:.1f} %",
                row.peak_live_objects, row.swing_objects,
            )
            for row in _rows(frame)
        ],
        right=("up to", "allocations", "share", "of bytes", "live at most", "swing"),
        dropped=("swing", "live at most", "of bytes", "share"),
    )  # fmt: skip


def _print_lifetimes(profile: TraceProfile) -> None:
    click.echo("\nlifetimes: freed before so much more was asked for")
    frame = profile.lifetimes[profile.lifetimes["clock"] == _CLOCK]
    total = max(1, profile.object_count)
    limits = (64, 1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20, 1 << 30)
    rows = [
        (
            format_rough(limit, "bytes"),
            f"{100.0 * frame['objects'][frame['most'] < limit].sum() / total:.1f} %",
        )
        for limit in limits
        if limit // 16 <= profile.requested_bytes
    ]
    freed_percent = 100.0 * frame["objects"].sum() / total
    print_table(
        ("within", "objects freed"),
        [*rows, ("ever", f"{freed_percent:.1f} %")],
        right=("within", "objects freed"),
    )


def _print_sites(profile: TraceProfile, rows: int) -> None:
    click.echo("\ncall sites that allocate most")
    print_table(
        ("call site", "allocations", "share", "mean size", "never freed", "lives (events)"),
        [
            (
                f"{row.module.rpartition('/')[2] or '?'}+{row.offset:#x}", row.allocations,
                f"{row.share_percent:.1f} %", format_rough(row.mean_bytes, "bytes"), row.never_freed,
                format_rough(row.mean_lifetime_events),
            )
            for row in _rows(profile.sites.head(rows))
        ],
        right=("allocations", "share", "mean size", "never freed", "lives (events)"),
        dropped=("lives (events)", "never freed", "mean size", "share"),
    )  # fmt: skip


def _print_phases(profile: TraceProfile) -> None:
    click.echo("\nphases")
    print_table(
        ("from event", "events", "seconds", "allocations", "mean size", "commonest"),
        [
            (
                row.first_event, row.event_count, f"{row.duration_s:.3g}", row.allocations,
                format_rough(row.mean_bytes, "bytes"),
                f"to {format_rough(row.commonest_bytes, 'bytes')} ({row.commonest_percent:.0f} %)",
            )
            for row in _rows(profile.phases)
        ],
        right=("from event", "events", "seconds", "allocations", "mean size"),
        dropped=("commonest", "seconds", "mean size", "events"),
    )  # fmt: skip


def _print_threads(profile: TraceProfile, rows: int) -> None:
    click.echo("\nthreads")
    frame = profile.threads.sort_values("events", ascending=False, kind="stable").head(rows)
    columns = ("thread", "allocations", "reallocs", "frees", "of others", "freed by others")
    fields = ("thread", "allocations", "reallocs", "frees", "frees_of_others", "freed_by_others")
    cells = frame[list(fields)].to_numpy().tolist()
    print_table(columns, cells, right=columns, dropped=("freed by others", "of others", "reallocs"))
    if len(profile.threads) > rows:
        click.echo(f"and {len(profile.threads) - rows} more")


def _print_reallocs(profile: TraceProfile, rows: int) -> None:
    click.echo("\nreallocs, by the size before")
    frame = profile.reallocs.sort_values("reallocs", ascending=False, kind="stable").head(rows)
    columns = ("up to", "reallocs", "grown", "shrunk", "same class", "growth")
    print_table(
        columns,
        [
            (
                format_rough(row.upto_bytes, "bytes"), row.reallocs, row.grown, row.shrunk, row.same_class,
                f"{row.growth:.2f}",
            )
            for row in _rows(frame)
        ],
        right=columns,
        dropped=("growth", "same class", "shrunk"),
    )  # fmt: skip


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _rows(frame: pd.DataFrame) -> Iterable[Any]:
    """Its rows, each with a field a column."""
    return frame.itertuples()
