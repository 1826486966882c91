"""run: one workload under one allocator, in a process of its own."""

from __future__ import annotations

import sys

import click

from workbench.allocators import get_allocator
from workbench.api.running import run_to_end
from workbench.commands.arguments import (
    allocator_option,
    parse_parameters,
    read_settings,
    set_option,
    settings_option,
)
from workbench.commands.completion import complete_workload
from workbench.commands.output import json_option, print_json
from workbench.processes import Outcome, ResolvedRun, Run
from workbench.units import format_rough

_STATUS_FAILED = 1
_STATUS_INTERRUPTED = 130


@click.command()
@click.argument("workload_name", metavar="WORKLOAD", shell_complete=complete_workload)
@allocator_option
@click.option("--threads", type=int, metavar="N", help="Number of threads; by default, the workload's own.")
@click.option(
    "--seconds",
    type=float,
    metavar="S",
    help="Length of the run; 10 s unless --operations is given.",
)
@click.option(
    "--operations", type=int, metavar="N", help="Number of operations to run, instead of --seconds."
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    metavar="N",
    help="Seed for the random numbers.",
)
@set_option
@settings_option
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the workload; repeatable.",
)
@json_option
def run(
    workload_name: str,
    allocator_name: str,
    threads: int | None,
    seconds: float | None,
    operations: int | None,
    seed: int,
    assignments: tuple[str, ...],
    settings_path: str | None,
    parameters: tuple[str, ...],
    as_json: bool,
) -> None:
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
    if as_json:
        print_json(_describe(resolved, outcome))
    else:
        _print_report(resolved, outcome)
    if outcome.status != "completed":
        sys.exit(_STATUS_INTERRUPTED if outcome.status == "stopped" else _STATUS_FAILED)


def _describe(resolved: ResolvedRun, outcome: Outcome) -> dict[str, object]:
    spec = resolved.run
    return {
        "workload": spec.workload,
        "parameters": resolved.parameters,
        "allocator": spec.allocator,
        "threads": resolved.threads,
        "seed": spec.seed,
        "operations": outcome.operations,
        "elapsed_s": outcome.elapsed_s,
        "operations_per_s": outcome.operations_per_s,
        "peak_resident_bytes": outcome.peak_resident_bytes,
        "tunables": spec.tunables,
        "effective": outcome.effective,
        "events": outcome.events,
        "status": outcome.status,
        "message": outcome.message,
        "signal": outcome.signal,
        "exit_code": outcome.exit_code,
    }


def _print_report(resolved: ResolvedRun, outcome: Outcome) -> None:
    spec, threads = resolved.run, resolved.threads_text
    click.echo(f"{spec.workload} under {spec.allocator}, {threads}, seed {spec.seed}: {outcome.status}")
    click.echo(f"  {outcome.operations} operations in {outcome.elapsed_s:.3f} s")
    click.echo(f"  {format_rough(outcome.operations_per_s, 'operations/s')}")
    click.echo(f"  {format_rough(outcome.peak_resident_bytes, 'bytes')} resident at most")
    events = ", ".join(f"{name} {number}" for name, number in outcome.events.items() if number)
    if events:
        click.echo(f"  events: {events}")
    if outcome.message:
        click.echo(f"workbench: {' '.join(outcome.message.split())}", err=True)
