"""replay: a recorded program's allocations again, under any allocator."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import click

from workbench.allocators import get_allocator
from workbench.api.running import run_to_end
from workbench.commands.arguments import allocator_option, read_settings, set_option, settings_option
from workbench.commands.completion import complete_trace
from workbench.commands.output import json_option, print_json
from workbench.datasets import find_trace
from workbench.errors import BadParameter
from workbench.processes import Outcome, ResolvedRun, Run, Worker
from workbench.processes.course import CoursePoint, frame_of, read_course_point
from workbench.traces import Trace
from workbench.units import format_rough

_TOUCH = ("none", "ends", "pages", "all")
_MAXIMUM_PERCENT = 1_000_000
_STATUS_FAILED = 1
_STATUS_INTERRUPTED = 130


@click.command()
@click.argument("trace_name", metavar="TRACE", shell_complete=complete_trace)
@allocator_option
@click.option(
    "--speed",
    default="max",
    show_default=True,
    metavar="max|recorded|FACTOR",
    help="max (as fast as possible), recorded (the original pace), or a factor of it, such as 2.",
)
@click.option(
    "--loops", type=click.IntRange(min=1), metavar="N", help="Number of replays in sequence; 1 by default."
)
@click.option(
    "--seconds", type=float, metavar="S", help="Repeat the replay for this long, instead of --loops."
)
@click.option(
    "--touch",
    type=click.Choice(_TOUCH),
    default="pages",
    show_default=True,
    help="Which bytes of a block are written: none, both ends, one in each page, or all.",
)
@set_option
@settings_option
@json_option
def replay(
    trace_name: str,
    allocator_name: str,
    speed: str,
    loops: int | None,
    seconds: float | None,
    touch: str,
    assignments: tuple[str, ...],
    settings_path: str | None,
    as_json: bool,
) -> None:
    """Replay a recorded trace (a file, or a dataset's name) under an allocator."""
    if loops is not None and seconds is not None:
        raise BadParameter("a replay is by its loops or by seconds; give --loops or --seconds")
    allocator = get_allocator(allocator_name)
    path = find_trace(trace_name)
    _tell_damage(path)
    spec = Run(
        workload="replay",
        trace=str(path),
        parameters={
            "speed": parse_speed(speed),
            "loops": _choose_loops(loops, seconds),
            "touch": _TOUCH.index(touch),
        },
        allocator=allocator.name,
        seconds=seconds,
        tunables=read_settings(settings_path, assignments, allocator),
    )
    resolved = spec.check()
    points: list[CoursePoint] = []
    title = f"{path.name} under {spec.allocator}"
    outcome = run_to_end(spec, title, lambda worker: _follow(worker, points))
    if as_json:
        print_json(_describe(resolved, outcome, points))
    else:
        _print_report(resolved, outcome, points)
    if outcome.status != "completed":
        sys.exit(_STATUS_INTERRUPTED if outcome.status == "stopped" else _STATUS_FAILED)


def parse_speed(text: str) -> float:
    """Read a speed as the parameter of the workload: percent of the recorded one, 0 for max.

    Raises
    ------
    BadParameter
        If it is none, out of range, or finer than 1 %.
    """
    if text == "max":
        return 0.0
    if text == "recorded":
        return 100.0
    try:
        factor = float(text)
    except ValueError:
        raise BadParameter(f"speed: '{text}' is not max, recorded or a factor") from None
    percent = round(factor * 100) if math.isfinite(factor) else 0
    if not 1 <= percent <= _MAXIMUM_PERCENT or not math.isclose(percent, factor * 100):
        raise BadParameter(f"speed: {text} is not a factor of 0.01 to 10000 in steps of 0.01")
    return float(percent)


def _choose_loops(loops: int | None, seconds: float | None) -> float:
    """Without a number it is once, or as often as the seconds allow."""
    if loops is not None:
        return float(loops)
    return 1.0 if seconds is None else 0.0


def _tell_damage(path: Path) -> None:
    with Trace.open(path) as trace:
        if trace.damage is not None:
            click.echo(f"workbench: {path.name}: {trace.damage}; what precedes it is replayed", err=True)


def _follow(worker: Worker, points: list[CoursePoint]) -> str:
    point = read_course_point(worker.workload_block)
    earlier = points[-1] if points else CoursePoint(0.0, 0.0, 0, 0, 0)
    points.append(point)
    span_s = point.elapsed_s - earlier.elapsed_s
    rate = (point.operations - earlier.operations) / span_s if span_s > 0 else 0.0
    live, resident = (format_rough(value, "bytes") for value in (point.live_bytes, point.resident_bytes))
    return f"{format_rough(rate, 'events/s')}, {live} live in {resident}"


def _describe(resolved: ResolvedRun, outcome: Outcome, points: list[CoursePoint]) -> dict[str, object]:
    spec, plan = resolved.run, resolved.plan
    assert plan is not None
    return {
        "trace": spec.trace,
        "trace_checksum": plan.trace_checksum,
        "parameters": resolved.parameters,
        "allocator": spec.allocator,
        "threads": plan.lane_count,
        "trace_events": plan.event_count,
        "trace_duration_s": plan.duration_s,
        "skipped_frees": plan.skipped_frees,
        "operations": outcome.operations,
        "elapsed_s": outcome.elapsed_s,
        "operations_per_s": outcome.operations_per_s,
        "peak_resident_bytes": outcome.peak_resident_bytes,
        "checksum": outcome.checksum,
        "tunables": spec.tunables,
        "events": outcome.events,
        "course": frame_of(points).to_dict("list"),
        "status": outcome.status,
        "message": outcome.message,
        "signal": outcome.signal,
        "exit_code": outcome.exit_code,
    }


def _print_report(resolved: ResolvedRun, outcome: Outcome, points: list[CoursePoint]) -> None:
    spec, plan = resolved.run, resolved.plan
    assert spec.trace is not None
    assert plan is not None
    name = Path(spec.trace).name
    click.echo(f"{name} under {spec.allocator}, {resolved.threads_text}: {outcome.status}")
    click.echo(f"  {outcome.operations} events in {outcome.elapsed_s:.3f} s")
    click.echo(f"  {format_rough(outcome.operations_per_s, 'events/s')}")
    click.echo(f"  {format_rough(outcome.peak_resident_bytes, 'bytes')} resident at most")
    fullest = max(points, key=lambda point: point.live_bytes, default=None)
    if fullest is not None and fullest.live_bytes:
        live, resident = (
            format_rough(value, "bytes") for value in (fullest.live_bytes, fullest.resident_bytes)
        )
        where = f"at {fullest.position_s:.2f} s of the trace"
        click.echo(f"  {live} live in {resident} {where}: {fullest.fragmentation:.2f} resident a live byte")
    if plan.skipped_frees:
        click.echo(f"  {plan.skipped_frees} frees left out: their allocations are not in the trace")
    if outcome.message:
        click.echo(f"workbench: {' '.join(outcome.message.split())}", err=True)
