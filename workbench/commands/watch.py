"""watch: the metrics of a running process, live in the terminal or as lines of JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import select
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from workbench.api.processes import find_process_blocks
from workbench.commands.arguments import FiniteRange, kind_option, pid_argument
from workbench.commands.output import json_option, pick, print_json
from workbench.control import Adoption, ControlBlock, Event, Reading, Snapshot
from workbench.table import Table, lay_out, shorten
from workbench.units import format_rough

_GROUPS_SHOWN = 8
_EVENTS_SHOWN = 8
# A busy process writes more than anybody reads; all are counted.
_EVENTS_TOLD = 100
_EVENT = "time_s thread operation kind item old_value new_value cause"


@dataclass(frozen=True)
class BlockSample:
    """What one block of the process showed at one moment; its events are those since the sample before."""

    kind: str
    snapshot: Snapshot
    readings: list[Reading]
    adoption: Adoption
    events: list[Event]
    event_counts: Counter[str]


def _follow(block: ControlBlock) -> Iterator[BlockSample]:
    """Sample a block again and again; the first time with a few events from before, and without counts."""
    before: Snapshot | None = None
    cursor = 0
    while True:
        batch = block.events(cursor)
        cursor = batch.cursor
        counts: Counter[str] = Counter()
        if before is not None:
            counts.update(batch.counts())
            counts.update({"lost": batch.lost} if batch.lost else {})
        told = _EVENTS_SHOWN if before is None else _EVENTS_TOLD
        events = list(dataclasses.replace(batch, records=batch.records[-told:]))
        snapshot = block.snapshot()
        readings = snapshot.readings(before)
        yield BlockSample(block.info.kind, snapshot, readings, block.adoption(), events, counts)
        before = snapshot


@click.command()
@pid_argument
@kind_option
@click.option(
    "--interval",
    "interval_s",
    metavar="SECONDS",
    type=FiniteRange(0.02, 3600),
    default=1.0,
    show_default=True,
    help="Time between two samples.",
)
@click.option("--count", metavar="N", type=click.IntRange(min=1), help="Stop after this many samples.")
@click.option("--all", "show_all", is_flag=True, help="Show every metric, not only those that have a chart.")
@json_option
def watch(
    pid: int, kind: str | None, interval_s: float, count: int | None, show_all: bool, as_json: bool
) -> None:
    """Show the metrics and latest events of a process, live, until it ends or Ctrl-C.

    With --json, each sample is one line: `events` holds the latest since the sample before, `event_counts`
    counts all of them.
    """
    with contextlib.ExitStack() as stack:
        infos = find_process_blocks(pid, kind)
        blocks = [stack.enter_context(ControlBlock.open(info.path)) for info in infos]
        title = (str(pid), infos[0].command)
        samples = _sample(pid, blocks, interval_s, count)
        try:
            if as_json:
                for sample in samples:
                    _print_json(pid, sample)
            elif sys.stdout.isatty():
                _show_live(title, samples, show_all)
            else:
                for sample in samples:
                    click.echo(_format_line(sample, show_all))
        except KeyboardInterrupt:
            return
    if not as_json and sys.stdout.isatty() and count is None:
        click.echo(f"process {pid} ended")


def _sample(
    pid: int, blocks: list[ControlBlock], interval_s: float, count: int | None
) -> Iterator[list[BlockSample]]:
    """Sample all blocks until the process ends or there are `count`."""
    samples = zip(*map(_follow, blocks), strict=True)
    with contextlib.ExitStack() as stack:
        ends = []
        with contextlib.suppress(OSError):  # where the kernel cannot tell that a process ends
            ends.append(os.pidfd_open(pid))
            stack.callback(os.close, ends[0])
        for taken in itertools.count(1):
            if not all(block.alive() for block in blocks):
                return
            yield list(next(samples))
            if taken == count:
                return
            select.select(ends, [], [], interval_s)


def _print_json(pid: int, sample: list[BlockSample]) -> None:
    blocks = {
        part.kind: {
            **pick(part.adoption, "generation threads adopted"),
            "metrics": {
                reading.metric.name: {"value": reading.value, "rate_per_s": reading.rate}
                | ({"by_group": reading.groups} if reading.groups else {})
                for reading in part.readings
            },
            "events": [pick(event, _EVENT) for event in part.events],
            "event_counts": part.event_counts,
        }
        for part in sample
    }
    print_json({"pid": pid, "time_s": sample[0].snapshot.time_s, "blocks": blocks})
    sys.stdout.flush()


def _show_live(title: tuple[str, str], samples: Iterator[list[BlockSample]], show_all: bool) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    started_s: float | None = None
    latest: deque[Event] = deque(maxlen=_EVENTS_SHOWN)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for sample in samples:
            now_s = sample[0].snapshot.time_s
            started_s = now_s if started_s is None else started_s
            latest.extend(event for part in sample for event in part.events)
            width, height = console.size
            head = f"{title[0]}  {now_s - started_s:.1f} s  (Ctrl-C ends)  {title[1]}"
            lines = [Text(shorten(head, width), style="bold"), *_draw_metrics(sample, width, show_all)]
            lines = fit_height(lines, _draw_events(latest, now_s, width), height)
            live.update(Text("\n", no_wrap=True).join(lines), refresh=True)


def fit_height(metrics: list[Text], events: list[Text], height: int) -> list[Text]:
    """Take away what a terminal of so many lines has no room for, and say so: events first."""
    room = height - 1  # the cursor has one
    lines = [*metrics, *events[: max(0, room - len(metrics))]]
    if len(lines) <= room:
        return lines
    hidden = len(lines) - room + 1
    return [*lines[: max(1, room - 1)], Text(f"(a higher terminal shows {hidden} more lines)", style="dim")]


def _draw_events(latest: Iterable[Event], now_s: float, width: int) -> list[Text]:
    lines = []
    for event in reversed(list(latest)):
        age = format_rough(max(0.0, now_s - event.time_s), "s")
        lines.append(Text(shorten(f"{age:>8} ago  {event}", width)))
    return [Text("latest events", style="italic"), *lines] if lines else [Text("no events yet")]


def _draw_metrics(sample: list[BlockSample], width: int, show_all: bool) -> list[Text]:
    lines: list[Text] = []
    for part in sample:
        adoption = part.adoption
        status = f"{part.kind}: generation {adoption.generation}"
        if adoption.threads:
            status += f", adopted by {adoption.adopted} of {adoption.threads} threads"
        lines.append(Text(shorten(status, width), style="italic"))
        layout = lay_out(_tabulate(_choose(part.readings, show_all)), width)
        lines += [Text(line) for line in layout.lines]
        if not layout.is_stacked:
            lines[-len(layout.lines)].stylize("bold")
    return lines


def _tabulate(readings: list[Reading]) -> Table:
    columns: dict[str, Callable[[Reading], str]] = {
        "metric": lambda one: one.metric.name,
        "value": lambda one: format_rough(one.value, one.metric.unit),
        "per second": lambda one: "" if one.rate is None else format_rough(one.rate, f"{one.metric.unit}/s"),
        "by group": _format_groups,
    }
    return Table.of(
        readings,
        columns,
        right=("value", "per second"),
        shortened=("by group",),
        dropped=("by group", "per second"),
    )


def _choose(readings: list[Reading], show_all: bool) -> list[Reading]:
    charted = [reading for reading in readings if reading.metric.chart]
    return readings if show_all or not charted else charted


def _format_groups(reading: Reading) -> str:
    shown = [(label, value) for label, value in reading.groups.items() if value][:_GROUPS_SHOWN]
    return "  ".join(f"{label} {format_rough(value)}" for label, value in shown)


def _format_line(sample: list[BlockSample], show_all: bool) -> str:
    words = [f"{sample[0].snapshot.time_s:.3f}"]
    for part in sample:
        for reading in _choose(part.readings, show_all):
            value, unit = reading.value, reading.metric.unit
            if reading.metric.kind == "counter" and reading.rate is not None:
                value, unit = reading.rate, f"{unit}/s"
            words.append(f"{reading.metric.name}={format_rough(value, unit)}")
        words += [f"{kind}+{count}" for kind, count in sorted(part.event_counts.items())]
    return "  ".join(words)
