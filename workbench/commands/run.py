"""run: one workload under one allocator, in a process of its own."""

from __future__ import annotations

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
from workbench.commands.completion import complete_workload
from workbench.commands.output import STATUS_FAILED, Answer, answering, pick
from workbench.interrupt import STATUS_INTERRUPTED
from workbench.processes import Outcome, Run
from workbench.units import format_rough

_OUTCOME = (
    "operations elapsed_s operations_per_s peak_resident_bytes checksum effective events "
    "status message signal exit_code"
)


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
