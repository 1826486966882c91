"""replay: a recorded program's allocations again, under any allocator."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

import click

from workbench.allocators import get_allocator
from workbench.api.running import run_to_end
from workbench.commands.arguments import allocator_option, read_settings, set_option, settings_option
from workbench.commands.completion import complete_trace
from workbench.commands.output import Answer, answering, pick
from workbench.commands.run import answer_outcome
from workbench.control import ControlBlock
from workbench.datasets import find_trace
from workbench.errors import BadParameter
from workbench.processes import Run, Worker
from workbench.traces import Trace
from workbench.units import format_rough

_TOUCH = ("none", "ends", "pages", "all")
_MAXIMUM_PERCENT = 1_000_000


@dataclass(frozen=True)
class CoursePoint:
    """A replay at one moment."""

    position_s: float  # in the time of the trace; starts again with every loop
    elapsed_s: float  # since the start of the run, without pauses
    operations: int  # events replayed so far
    live_bytes: int  # asked for and not freed
    resident_bytes: int  # anonymous memory in RAM without the replayer's own

    @property
    def fragmentation(self) -> float:
        """Resident bytes a live byte; NaN while nothing lives."""
        return self.resident_bytes / self.live_bytes if self.live_bytes else float("nan")


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
@answering
def replay(
    trace_name: str,
    allocator_name: str,
    speed: str,
    loops: int | None,
    seconds: float | None,
    touch: str,
    assignments: tuple[str, ...],
    settings_path: Path | None,
) -> Answer:
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
            # Without a number it is once, or as often as the seconds allow.
            "loops": 1 if loops is None and seconds is None else loops or 0,
            "touch": _TOUCH.index(touch),
        },
        allocator=allocator.name,
        seconds=seconds,
        tunables=read_settings(settings_path, assignments, allocator),
    )
    resolved = spec.check()
    plan = resolved.plan
    assert plan is not None
    points: list[CoursePoint] = []
    outcome = run_to_end(spec, f"{path.name} under {spec.allocator}", lambda worker: _follow(worker, points))
    columns = (*(field.name for field in fields(CoursePoint)), "fragmentation")
    facts = {
        **pick(spec, "trace allocator tunables"),
        "parameters": resolved.parameters,
        "trace_checksum": plan.trace_checksum,
        "threads": plan.lane_count,
        "trace_events": plan.event_count,
        "trace_duration_s": plan.duration_s,
        "skipped_frees": plan.skipped_frees,
        "course": {name: [getattr(point, name) for point in points] for name in columns},
    }
    more = []
    fullest = max(points, key=lambda point: point.live_bytes, default=None)
    if fullest is not None and fullest.live_bytes:
        where = f"at {fullest.position_s:.2f} s of the trace"
        more.append(f"{_format_live(fullest)} {where}: {fullest.fragmentation:.2f} resident a live byte")
    if plan.skipped_frees:
        more.append(f"{plan.skipped_frees} frees left out: their allocations are not in the trace")
    head = f"{path.name} under {spec.allocator}, {resolved.threads_text}"
    return answer_outcome(outcome, "events", facts, head, *more)


def parse_speed(text: str) -> float:
    """Read a speed as the parameter of the workload: percent of the recorded one, 0 for max.

    BadParameter if it is none, out of range, or finer than 1 %.
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


def read_course_point(workload_block: ControlBlock) -> CoursePoint:
    """Read where a replay is; WorkbenchError if the control block is not that of a replay."""
    snapshot = workload_block.snapshot()
    return CoursePoint(
        position_s=snapshot.fold("replay.position_ms") / 1e3,
        elapsed_s=snapshot.fold("workload.elapsed_ms") / 1e3,
        operations=int(snapshot.fold("workload.operations")),
        live_bytes=int(snapshot.fold("replay.live_bytes")),
        resident_bytes=int(snapshot.fold("replay.resident_bytes")),
    )


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
    return f"{format_rough(rate, 'events/s')}, {_format_live(point)}"


def _format_live(point: CoursePoint) -> str:
    return f"{format_rough(point.live_bytes, 'bytes')} live in {format_rough(point.resident_bytes, 'bytes')}"
