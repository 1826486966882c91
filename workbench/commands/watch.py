"""watch: the metrics of a running process or group, live in the terminal or as lines of JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import select
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from workbench.api.processes import attach, find_target_blocks
from workbench.commands.arguments import FiniteRange, kind_option, probe_option
from workbench.commands.output import json_option, pick, print_json
from workbench.commands.targets import Target, describe_foreign, name_target, target_argument
from workbench.control import Adoption, BlockInfo, ControlBlock, Event, Reading, Snapshot
from workbench.errors import WorkbenchError
from workbench.probes import ProbeReader, ProbeValue, process_probes, read_probe
from workbench.table import Table, lay_out, shorten
from workbench.units import format_rough

_GROUPS_SHOWN = 8
_EVENTS_SHOWN = 8
# A busy process writes more than anybody reads; all are counted.
_EVENTS_TOLD = 100
_EVENT = "time_s thread operation kind item old_value new_value cause"
_FIRST_PROBES_S = 1.0


@dataclass(frozen=True)
class BlockSample:
    """What blocks of a kind showed at one moment; their events are those since the sample before."""

    kind: str
    time_s: float
    readings: list[Reading]
    adoption: Adoption
    events: list[Event]
    event_counts: Counter[str]


@dataclass(frozen=True)
class Sample:
    """What a process or group showed at one moment; `began` and `ended` are since the sample before."""

    infos: list[BlockInfo]
    began: list[int]
    ended: list[int]
    blocks: list[BlockSample]
    probes: Mapping[str, ProbeValue]

    @property
    def time_s(self) -> float:
        """When it was taken."""
        return self.blocks[0].time_s

    def describe_changes(self) -> list[str]:
        """Which processes came and went."""
        changes = {"began": self.began, "ended": self.ended}
        return [f"{what}: {', '.join(map(str, pids))}" for what, pids in changes.items() if pids]


def _follow(block: ControlBlock) -> Iterator[BlockSample]:
    """Sample a block again and again; the first time with a few events from before, and without counts."""
    before: Snapshot | None = None
    cursor = 0
    with block:
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
            yield BlockSample(block.info.kind, snapshot.time_s, readings, block.adoption(), events, counts)
            before = snapshot


@click.command()
@target_argument
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
@click.option(
    "--all",
    "show_all",
    is_flag=True,
    help="Show every metric, not only those that have a chart, and what the system tells of the process.",
)
@probe_option
@json_option
def watch(
    target: Target,
    kind: str | None,
    interval_s: float,
    count: int | None,
    show_all: bool,
    probes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the metrics and latest events of a process or group, live, until it ends or Ctrl-C.

    A group shows sums, or lowest..highest; its processes may come and go. With --json, each sample is one
    line: `events` holds the latest since the sample before, `event_counts` counts all of them.
    """
    infos = find_target_blocks(target, kind)
    for line in describe_foreign(target):
        click.echo(line, err=True)
    pids = {info.pid for info in infos}

    def list_pids() -> list[int]:
        return sorted(pids)

    given = [read_probe(text, list_pids) for text in probes]
    names = {probe.name for probe in given}
    built_in = process_probes(list_pids).values() if show_all else ()
    with ProbeReader([*(one for one in built_in if one.name not in names), *given]) as reader:
        reader.await_first(_FIRST_PROBES_S)
        samples = _sample(target, kind, pids, reader, interval_s, count)
        try:
            if as_json:
                for sample in samples:
                    _print_json(target, sample)
            elif sys.stdout.isatty():
                _show_live(target, samples, show_all)
            else:
                for sample in samples:
                    click.echo(_format_line(sample, show_all))
        except KeyboardInterrupt:
            return
    if not as_json and sys.stdout.isatty() and count is None:
        whose = f"process {target}" if isinstance(target, int) else f"group {target}"
        click.echo(f"{whose} ended")


def _sample(
    target: Target,
    kind: str | None,
    pids: set[int],
    reader: ProbeReader,
    interval_s: float,
    count: int | None,
) -> Iterator[Sample]:
    """Sample until no process is left or there are `count`; `pids` become those of the latest sample."""
    # One for each control block of a process, or for each kind of those of a group.
    followers: dict[Path | str, Iterator[BlockSample]] = {}
    for taken in itertools.count(1):
        infos: list[BlockInfo] = []
        with contextlib.suppress(WorkbenchError):
            infos = find_target_blocks(target, kind)
        if not infos:
            return
        blocks: list[BlockSample] = []
        for key in dict.fromkeys(info.path if isinstance(target, int) else info.kind for info in infos):
            try:
                followers[key] = followers.get(key) or _follow(_open(target, key))
                blocks.append(next(followers[key]))
            except (WorkbenchError, StopIteration):  # it ended meanwhile
                if isinstance(target, int):
                    raise
        before, now = set(pids), {info.pid for info in infos}
        pids.clear()
        pids.update(now)
        yield Sample(infos, sorted(now - before), sorted(before - now), blocks, reader.latest())
        if taken == count:
            return
        _wait(infos, interval_s)


def _open(target: Target, key: Path | str) -> ControlBlock:
    return ControlBlock.open(key) if isinstance(target, int) else attach(target, str(key))


def _wait(infos: Iterable[BlockInfo], most_s: float) -> None:
    """Wait until all processes have ended, one after the other, but not longer."""
    end_s = time.monotonic() + most_s
    for info in infos:
        left_s = max(0.0, end_s - time.monotonic())
        try:
            with os.fdopen(os.pidfd_open(info.pid), "rb") as end:
                poll = select.poll()
                poll.register(end, select.POLLIN)
                poll.poll(left_s * 1000)
        except OSError as error:
            if info.where or not isinstance(error, ProcessLookupError):  # the kernel cannot tell its end
                time.sleep(left_s)


def _print_json(target: Target, sample: Sample) -> None:
    blocks = {
        part.kind: {
            **pick(part.adoption, "generation threads adopted"),
            "metrics": {
                reading.metric.name: {"value": reading.value, "rate_per_s": reading.rate}
                | ({"by_group": reading.groups} if reading.groups else {})
                | ({"lowest": reading.lowest} if reading.lowest is not None else {})
                for reading in part.readings
            },
            "events": [pick(event, _EVENT) for event in part.events],
            "event_counts": part.event_counts,
        }
        for part in sample.blocks
    }
    report = name_target(target) | {"time_s": sample.time_s, "blocks": blocks}
    if not isinstance(target, int):
        report |= {"pids": sorted({info.pid for info in sample.infos})} | pick(sample, "began ended")
    if sample.probes:
        report["probes"] = {
            name: {
                "unit": one.probe.metric.unit,
                "value": one.value,
                "rate_per_s": one.rate,
                "reason": one.reason,
            }
            for name, one in sample.probes.items()
        }
    print_json(report)
    sys.stdout.flush()


def _show_live(target: Target, samples: Iterator[Sample], show_all: bool) -> None:
    console = Console(highlight=False, markup=False, emoji=False)
    started_s: float | None = None
    latest: deque[tuple[float, str]] = deque(maxlen=_EVENTS_SHOWN)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        for sample in samples:
            now_s = sample.time_s
            started_s = now_s if started_s is None else started_s
            latest.extend((event.time_s, str(event)) for part in sample.blocks for event in part.events)
            latest.extend((now_s, text) for text in sample.describe_changes())
            width, height = console.size
            pids = {info.pid for info in sample.infos}
            what = sample.infos[0].command if isinstance(target, int) else f"{len(pids)} processes"
            head = f"{target}  {now_s - started_s:.1f} s  (Ctrl-C ends)  {what}"
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


def _draw_events(latest: Iterable[tuple[float, str]], now_s: float, width: int) -> list[Text]:
    lines = []
    for time_s, text in reversed(list(latest)):
        age = format_rough(max(0.0, now_s - time_s), "s")
        lines.append(Text(shorten(f"{age:>8} ago  {text}", width)))
    return [Text("latest events", style="italic"), *lines] if lines else [Text("no events yet")]


def _draw_metrics(sample: Sample, width: int, show_all: bool) -> list[Text]:
    lines: list[Text] = []
    for part in sample.blocks:
        adoption = part.adoption
        status = f"{part.kind}: generation {adoption.generation}"
        if adoption.threads:
            status += f", adopted by {adoption.adopted} of {adoption.threads} threads"
        lines.append(Text(shorten(status, width), style="italic"))
        lines += _draw_table(_choose(part.readings, show_all), _METRICS, width)
    return lines + (_draw_table(sample.probes.values(), _PROBES, width) if sample.probes else [])


def _format_groups(reading: Reading) -> str:
    shown = [(label, value) for label, value in reading.groups.items() if value][:_GROUPS_SHOWN]
    return "  ".join(f"{label} {format_rough(value)}" for label, value in shown)


_METRICS: Mapping[str, Callable[[Reading], str]] = {
    "metric": lambda one: one.metric.name,
    "value": Reading.describe,
    "per second": lambda one: "" if one.rate is None else format_rough(one.rate, f"{one.metric.unit}/s"),
    "by group": _format_groups,
}
_PROBES: Mapping[str, Callable[[ProbeValue], str]] = {
    "probe": lambda one: one.probe.name,
    "value": lambda one: "" if one.reason else format_rough(one.value, one.probe.metric.unit),
    "per second": lambda one: "" if one.rate is None else format_rough(one.rate, one.shown_unit),
    "why there is none": lambda one: one.reason,
}


def _draw_table(items: Iterable[Any], columns: Mapping[str, Callable[[Any], str]], width: int) -> list[Text]:
    numbers, last = ("value", "per second"), [*columns][-1]
    table = Table.of(items, columns, right=numbers, shortened=(last,), dropped=(last, "per second"))
    layout = lay_out(table, width)
    lines = [Text(line) for line in layout.lines]
    if not layout.is_stacked:
        lines[0].stylize("bold")
    return lines


def _choose(readings: list[Reading], show_all: bool) -> list[Reading]:
    charted = [reading for reading in readings if reading.metric.chart]
    return readings if show_all or not charted else charted


def _format_line(sample: Sample, show_all: bool) -> str:
    words = [f"{sample.time_s:.3f}", *sample.describe_changes()]
    for part in sample.blocks:
        for reading in _choose(part.readings, show_all):
            rate, unit = reading.rate, reading.metric.unit
            text = reading.describe() if rate is None else format_rough(rate, f"{unit}/s")
            words.append(f"{reading.metric.name}={text}")
        words += [f"{kind}+{count}" for kind, count in sorted(part.event_counts.items())]
    for name, one in sample.probes.items():
        text = f"none ({one.reason})" if one.reason else format_rough(one.shown, one.shown_unit)
        words.append(f"{name}={text}")
    return "  ".join(words)
