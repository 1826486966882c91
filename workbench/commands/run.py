"""run and replay: a workload, or the allocations of a trace, under an allocator in a process of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path

import click

from workbench.allocators import get_allocator
from workbench.api.running import run_to_end
from workbench.commands.arguments import (
    allocator_option,
    parameters_option,
    parse_parameters,
    read_settings,
    set_option,
    settings_option,
)
from workbench.commands.completion import complete_trace, complete_workload
from workbench.commands.output import STATUS_FAILED, Answer, answering, pick
from workbench.control import ControlBlock
from workbench.errors import BadParameter
from workbench.interrupt import STATUS_INTERRUPTED, ending_at_once
from workbench.processes import Outcome, Run, Worker
from workbench.units import format_rough

_OUTCOME = (
    "operations elapsed_s operations_per_s peak_resident_bytes checksum effective events "
    "status message signal exit_code"
)
_TOUCH = ("none", "ends", "pages", "all")
_MAXIMUM_PERCENT = 1_000_000


@click.command()
@click.argument("workload_name", metavar="WORKLOAD", shell_complete=complete_workload)
@allocator_option
@click.option("--threads", type=int, metavar="N", help="Number of threads; by default, the workload's own.")
@click.option(
    "--seconds", type=float, metavar="S", help="Length of the run; 10 s unless --operations is given."
)
@click.option(
    "--operations", type=int, metavar="N", help="Number of operations to run, instead of --seconds."
)
@click.option(
    "--seed", type=int, default=1, show_default=True, metavar="N", help="Seed for the random numbers."
)
@set_option
@settings_option
@parameters_option
@answering
def run(
    workload_name: str,
    allocator_name: str,
    threads: int | None,
    seconds: float | None,
    operations: int | None,
    seed: int,
    assignments: tuple[str, ...],
    settings_path: Path | None,
    parameters: tuple[str, ...],
) -> Answer:
    """Run a workload under an allocator and print the result."""
    allocator = get_allocator(allocator_name)
    spec = Run(
        workload=workload_name,
        parameters=parse_parameters(parameters),
        threads=threads,
        seed=seed,
        allocator=allocator.name,
        seconds=seconds,
        operations=operations,
        tunables=read_settings(settings_path, assignments, allocator),
    )
    resolved = spec.check()
    outcome = run_to_end(spec, f"{spec.workload} under {spec.allocator}")
    facts = pick(spec, "workload allocator seed tunables") | pick(resolved, "parameters threads")
    head = f"{spec.workload} under {spec.allocator}, {resolved.threads_text}, seed {spec.seed}"
    events = ", ".join(f"{name} {number}" for name, number in outcome.events.items() if number)
    return answer_outcome(outcome, "operations", facts, head, *([f"events: {events}"] if events else []))


def answer_outcome(outcome: Outcome, unit: str, facts: dict[str, object], head: str, *more: str) -> Answer:
    """What came of a run or replay.

    `unit` is what its operations are, `facts` what programs are told besides the outcome; `head` and `more`
    are the first line that people read and the last ones.
    """
    lines = (
        f"{outcome.operations} {unit} in {outcome.elapsed_s:.3f} s",
        format_rough(outcome.operations_per_s, f"{unit}/s"),
        f"{format_rough(outcome.peak_resident_bytes, 'bytes')} resident at most",
        *more,
    )
    failed = STATUS_INTERRUPTED if outcome.status == "stopped" else STATUS_FAILED
    return Answer(
        facts | pick(outcome, _OUTCOME),
        f"{head}: {outcome.status}",
        *(f"  {line}" for line in lines),
        notes=[f"workbench: {' '.join(outcome.message.split())}"] if outcome.message else [],
        status=0 if outcome.status == "completed" else failed,
    )


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
    with ending_at_once():  # traces are slow to import, and `run` needs none
        from workbench.datasets import find_trace
        from workbench.traces import Trace

    path = find_trace(trace_name)
    with Trace.open(path) as trace:
        if trace.damage is not None:
            click.echo(f"workbench: {path.name}: {trace.damage}; what precedes it is replayed", err=True)
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


def _follow(worker: Worker, points: list[CoursePoint]) -> str:
    point = read_course_point(worker.workload_block)
    earlier = points[-1] if points else CoursePoint(0.0, 0.0, 0, 0, 0)
    points.append(point)
    span_s = point.elapsed_s - earlier.elapsed_s
    rate = (point.operations - earlier.operations) / span_s if span_s > 0 else 0.0
    return f"{format_rough(rate, 'events/s')}, {_format_live(point)}"


def _format_live(point: CoursePoint) -> str:
    return f"{format_rough(point.live_bytes, 'bytes')} live in {format_rough(point.resident_bytes, 'bytes')}"
