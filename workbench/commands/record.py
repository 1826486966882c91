"""record: any program, its allocation calls written to a trace."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from workbench.commands.arguments import BEFORE_A_COMMAND, command_argument, keep_pythonmalloc_option
from workbench.commands.output import pick, print_json, show_table
from workbench.processes import RecordedTrace, RecordingOutcome
from workbench.processes import record as record_command
from workbench.table import Table
from workbench.traces.writer import DEFAULT_LEVEL
from workbench.units import format_rough

_COLUMNS: Mapping[str, Callable[[RecordedTrace], object]] = {
    "file": lambda trace: trace.path,
    "program": lambda trace: trace.metadata.program,
    "events": lambda trace: trace.metadata.event_count,
    "stored": lambda trace: format_rough(trace.stored_bytes, "bytes"),
    "bytes/event": lambda trace: f"{trace.bytes_per_event:.2f}" if trace.metadata.event_count else "–",
    "threads": lambda trace: trace.metadata.thread_count,
    "peak live": lambda trace: format_rough(trace.metadata.peak_live_bytes, "bytes"),
    "end": lambda trace: trace.metadata.end,
}
_DROPPED = ("bytes/event", "stored", "threads", "peak live", "program")
_MOST_ROWS = 20
_MOST_WARNINGS = 10
_REMEDIES = {
    f"stopped: {os.strerror(errno.EACCES)}": " (it changed its user: start it as that user)",
    f"stopped: {os.strerror(errno.ENOSPC)}": " (name a --spool with more room)",
}


@click.command(context_settings=BEFORE_A_COMMAND)
@click.option(
    "-o", "--output", required=True, metavar="FILE", help="The trace file to write, usually *.haktrace."
)
@click.option(
    "--children/--no-children",
    default=True,
    show_default=True,
    help="Also keep the traces of child processes, beside FILE.",
)
@keep_pythonmalloc_option
@click.option(
    "--level",
    type=click.IntRange(1, 22),
    default=DEFAULT_LEVEL,
    show_default=True,
    help="Compression level.",
)
@click.option(
    "--spool",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, writable=True),
    help="Folder where raw records wait to be compressed; by default, the folder for temporary files.",
)
@click.option(
    "--progress/--no-progress",
    default=None,
    help="Show events so far; by default where standard error is a terminal and output goes elsewhere.",
)
@click.option("--force", is_flag=True, help="Replace FILE even if it is not a trace.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON, on standard error.")
@command_argument
def record(
    output: str,
    children: bool,
    keep_pythonmalloc: bool,
    level: int,
    spool: str | None,
    progress: bool | None,
    force: bool,
    as_json: bool,
    command: tuple[str, ...],
) -> None:
    """Run a program and record every allocation call it makes.

    Standard input and output, signals and the exit status are the program's own; the summary goes to
    standard error. Each child process has a trace of its own beside FILE, and so has the program before
    an exec; their names are the stem of FILE, a number and the program. If FILE is a trace already, it and
    its children's traces are replaced once the program runs. Static and setuid programs, and their scripts,
    cannot be preloaded and are refused. A program that changes its user is recorded up to that point. If
    the recording fails, a line says so and the program continues.
    """
    environment = dict(os.environ)
    if keep_pythonmalloc:
        environment.setdefault("PYTHONMALLOC", "")  # empty is CPython's default
    with _shown_progress(command[0], progress) as show:
        told = 0

        def warn(problem: str) -> None:
            nonlocal told
            told += 1
            if told <= _MOST_WARNINGS:
                click.echo(f"workbench: {problem}", err=True)

        outcome = record_command(
            command,
            output,
            children=children,
            environment=environment,
            spool_directory=spool,
            level=level,
            progress=show,
            warn=warn,
            force=force,
        )
    with contextlib.suppress(OSError):  # the status is the program's, whether or not anybody reads this
        if as_json:
            print_json(_describe(outcome), err=True)
        else:
            _print_summary(outcome)
            if told > _MOST_WARNINGS:
                more = told - _MOST_WARNINGS
                click.echo(f"workbench: {more} more could not be recorded whole; --json lists all", err=True)
            if not outcome.traces and not outcome.problems:
                click.echo(
                    f"workbench: {command[0]}: nothing was recorded: it ran no program that can be preloaded",
                    err=True,
                )
    sys.exit(outcome.exit_code if outcome.exit_code >= 0 else 128 - outcome.exit_code)


@contextmanager
def _shown_progress(program: str, is_wanted: bool | None) -> Iterator[Callable[[int], None] | None]:
    console = Console(stderr=True)
    if is_wanted is None:
        is_wanted = console.is_terminal and not sys.stdout.isatty()
    if not is_wanted:
        yield None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"recording {Path(program).name}", total=None)

        def show(events: int) -> None:
            text = f"recording {Path(program).name}: {format_rough(events, 'events')}"
            progress.update(task, description=text)

        yield show


def _describe(outcome: RecordingOutcome) -> dict[str, object]:
    return {
        "exit_code": outcome.exit_code,
        "problems": outcome.problems,
        "traces": [
            dataclasses.asdict(trace.metadata) | pick(trace, "path stored_bytes bytes_per_event")
            for trace in outcome.traces
        ],
    }


def _print_summary(outcome: RecordingOutcome) -> None:
    """The command's own trace, and of a shell's thousand children those that did most."""
    shown = _choose(outcome.traces)
    table = Table.of(shown, _COLUMNS, right=[*_COLUMNS][2:7], wrapped=("end",), dropped=_DROPPED)
    show_table(table, err=True)
    others = [trace for trace in outcome.traces if trace not in shown]
    if others:
        events = sum(trace.metadata.event_count for trace in others)
        click.echo(f"and {len(others)} more with {events} events together; --json lists all", err=True)
    for trace in shown:
        metadata = trace.metadata
        if metadata.unknown_frees:
            frees = "1 free" if metadata.unknown_frees == 1 else f"{metadata.unknown_frees} frees"
            click.echo(f"{trace.path.name}: {frees} of blocks from before its recording, left out", err=True)
    for trace in outcome.traces:
        metadata = trace.metadata
        if metadata.end.startswith("stopped"):
            click.echo(
                f"workbench: {trace.path.name}: the recording {metadata.end}; the program went on without"
                + _REMEDIES.get(metadata.end, ""),
                err=True,
            )


def _choose(traces: tuple[RecordedTrace, ...]) -> list[RecordedTrace]:
    """The first, and those with most events, in their order."""
    largest = sorted(traces[1:], key=lambda trace: -trace.metadata.event_count)[: _MOST_ROWS - 1]
    return [trace for number, trace in enumerate(traces) if number == 0 or trace in largest]
