"""record: any program, its allocation calls written to a trace."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from rich.progress import TimeElapsedColumn

from workbench.api.progress import Bar
from workbench.commands.arguments import (
    BEFORE_A_COMMAND,
    FiniteRange,
    PidType,
    PlaceType,
    keep_pythonmalloc_option,
)
from workbench.commands.asking import ask_first
from workbench.commands.output import Answer, pick
from workbench.errors import BadParameter
from workbench.processes import (
    RecordedTrace,
    RecordingOutcome,
    check_recordable,
    name_process,
    record_running,
)
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
_QUESTION = (
    "gdb stops process {pid} ({name}) for some tenths of a second. Then one of its threads loads the "
    "recorder, whose functions take the place of malloc and free until the recording ends. The library stays "
    "until the program ends. A call in which a thread waits may return early, as after a signal. Go on?"
)
_MOST_ROWS = 20
_MOST_WARNINGS = 10
_REMEDIES = {
    f"stopped: {os.strerror(errno.EACCES)}": " (it changed its user: start it as that user)",
    f"stopped: {os.strerror(errno.ENOSPC)}": " (name a --spool with more room)",
}


@click.command(context_settings=BEFORE_A_COMMAND)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    type=PlaceType(),
    help="The trace file to write, usually *.haktrace.",
)
@click.option(
    "--children/--no-children",
    default=True,
    show_default=True,
    help="Also keep the traces of child processes, beside FILE.",
)
@click.option(
    "--pid",
    type=PidType(),
    help="Record a program that runs already, in place of COMMAND, until Ctrl-C. The program goes on.",
)
@click.option("--seconds", type=FiniteRange(min=0, min_open=True), help="With --pid: end after this time.")
@click.option("--yes", is_flag=True, help="With --pid: do not ask.")
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
@click.argument("command", metavar="[-- COMMAND...]", nargs=-1, type=click.UNPROCESSED)
def record(
    output: str,
    children: bool,
    pid: int | None,
    seconds: float | None,
    yes: bool,
    keep_pythonmalloc: bool,
    level: int,
    spool: str | None,
    progress: bool | None,
    force: bool,
    as_json: bool,
    command: tuple[str, ...],
) -> None:
    """Run a program and record every allocation call it makes; or, with --pid, one that runs already.

    Standard input and output, signals and the exit status are the program's own; the summary goes to
    standard error. Each child process has a trace of its own beside FILE, and so has the program before
    an exec; their names are the stem of FILE, a number and the program. If FILE is a trace already, it and
    its children's traces are replaced once the program runs. Static and setuid programs, and their scripts,
    cannot be preloaded and are refused. A program that changes its user is recorded up to that point. If
    the recording fails, a line says so and the program continues.

    With --pid, gdb stops the program twice for some tenths of a second: at the start, when the recorder is
    loaded, and at the end. The command says what it will do, and asks first.
    """
    if bool(command) == (pid is not None):
        raise BadParameter("give a command to run, or --pid of a program that runs; one of them")
    if pid is None and (seconds is not None or yes):
        raise BadParameter("--seconds and --yes belong to --pid; leave them out")
    environment = dict(os.environ)
    if keep_pythonmalloc:
        environment.setdefault("PYTHONMALLOC", "")  # empty is CPython's default
    numbers = itertools.count(1)

    def warn(problem: str) -> None:
        if next(numbers) <= _MOST_WARNINGS:
            click.echo(f"workbench: {problem}", err=True)

    if progress is None:
        progress = not sys.stdout.isatty()
    name = Path(command[0]).name if pid is None else name_process(pid)
    if pid is not None:
        check_recordable(pid)
        if not yes:
            ask_first(_QUESTION.format(pid=pid, name=name))
    with Bar(f"recording {name}", TimeElapsedColumn()) if progress else contextlib.nullcontext() as bar:
        options: dict[str, Any] = {
            "children": children,
            "spool_directory": spool,
            "level": level,
            "progress": lambda events: bar.move(text=format_rough(events, "events")) if bar else None,
            "warn": warn,
            "force": force,
        }
        if pid is None:
            outcome = record_command(command, output, environment=environment, **options)
        else:
            with _ending_by_signal() as stop:
                outcome = record_running(pid, output, seconds=seconds, stop=stop, **options)
    traces = [
        dataclasses.asdict(trace.metadata) | pick(trace, "path stored_bytes bytes_per_event")
        for trace in outcome.traces
    ]
    answer = Answer(pick(outcome, "exit_code problems") | {"traces": traces}, *_summarise(outcome, name))
    with contextlib.suppress(OSError):  # the status is the program's, whether or not anybody reads this
        answer.show(as_json, err=True)
    sys.exit(outcome.exit_code if outcome.exit_code >= 0 else 128 - outcome.exit_code)


@contextlib.contextmanager
def _ending_by_signal() -> Iterator[threading.Event]:
    """Let Ctrl-C and SIGTERM end the recording, and not this process."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summarise(outcome: RecordingOutcome, program: str) -> Iterator[str | Table]:
    """The command's own trace, and of a shell's thousand children those that did most."""
    largest = sorted(outcome.traces[1:], key=lambda trace: -trace.metadata.event_count)[: _MOST_ROWS - 1]
    shown = [trace for trace in outcome.traces if trace is outcome.traces[0] or trace in largest]
    yield Table.of(shown, _COLUMNS, right=[*_COLUMNS][2:7], wrapped=("end",), dropped=_DROPPED)
    others = [trace.metadata.event_count for trace in outcome.traces if trace not in shown]
    if others:
        yield f"and {len(others)} more with {sum(others)} events together; --json lists all"
    for trace in shown:
        if number := trace.metadata.unknown_frees:
            frees = "1 free" if number == 1 else f"{number} frees"
            yield f"{trace.path.name}: {frees} of blocks from before its recording, left out"
    for trace in outcome.traces:
        if (end := trace.metadata.end).startswith("stopped"):
            remedy = _REMEDIES.get(end, "")
            yield f"workbench: {trace.path.name}: the recording {end}; the program went on without{remedy}"
    if (more := len(outcome.problems) - _MOST_WARNINGS) > 0:
        yield f"workbench: {more} more could not be recorded whole; --json lists all"
    if not outcome.traces and not outcome.problems:
        yield f"workbench: {program}: nothing was recorded: it ran no program that can be preloaded"
