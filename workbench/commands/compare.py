"""compare: allocators or settings on the same work, in interleaved rounds, with a verdict."""

from __future__ import annotations

import dataclasses
import sys

import click

from workbench.commands.arguments import set_option, settings_option
from workbench.commands.completion import complete_allocator, complete_trace, complete_workload
from workbench.commands.output import json_option, print_json
from workbench.errors import BadParameter
from workbench.interrupt import ending_at_once

_STATUS_FAILED = 1
_STATUS_INTERRUPTED = 130


@click.command()
@click.argument("workload_names", metavar="[WORKLOAD]...", nargs=-1, shell_complete=complete_workload)
@click.option(
    "--dataset",
    "datasets",
    shell_complete=complete_trace,
    multiple=True,
    metavar="NAME",
    help="Also compare on the replay of this dataset or trace; repeatable.",
)
@click.option(
    "--allocators",
    shell_complete=complete_allocator,
    metavar="A,B,...",
    help="Allocators to compare; the first is the baseline. Default: all that are installed.",
)
@click.option(
    "--variant",
    "variant_texts",
    multiple=True,
    metavar="NAME:TUNABLE=VALUE,...",
    help="Also compare an allocator with these settings: the first that has them; repeatable.",
)
@set_option
@settings_option
@click.option(
    "--rounds",
    type=int,
    metavar="N",
    help="Number of rounds; 10 by default. Each round runs everything once, in random order.",
)
@click.option(
    "--looks",
    type=int,
    metavar="N",
    help="Number of interim analyses; the comparison stops once every verdict is decided.",
)
@click.option("--seconds", type=float, metavar="S", help="Length of each run; 1 s by default.")
@click.option(
    "--operations", type=int, metavar="N", help="Length of each run in operations, instead of --seconds."
)
@click.option("--threads", type=int, metavar="N", help="Number of threads; by default, each workload's own.")
@click.option("--seed", type=int, metavar="N", help="Seed for the order of runs.")
@click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the workloads; repeatable.",
)
@click.option("--latency", is_flag=True, help="Also measure the latency of single calls, in separate runs.")
@click.option(
    "--plan",
    "plan_path",
    metavar="FILE",
    type=click.Path(),
    help="Read the whole comparison from a TOML file.",
)
@click.option(
    "--output",
    metavar="FOLDER",
    type=click.Path(),
    help="Keep the results here; the same command resumes where it stopped.",
)
@click.option(
    "--export",
    "export_path",
    metavar="FILE",
    type=click.Path(),
    help="Write the settings of the winning variant, with this comparison as evidence: .toml, .env or .h.",
)
@click.option("--winner", metavar="NAME", help="Variant that --export writes, where there are several.")
@json_option
def compare(
    workload_names: tuple[str, ...],
    datasets: tuple[str, ...],
    allocators: str | None,
    variant_texts: tuple[str, ...],
    assignments: tuple[str, ...],
    settings_path: str | None,
    rounds: int | None,
    looks: int | None,
    seconds: float | None,
    operations: int | None,
    threads: int | None,
    seed: int | None,
    parameters: tuple[str, ...],
    latency: bool,
    plan_path: str | None,
    output: str | None,
    export_path: str | None,
    winner: str | None,
    as_json: bool,
) -> None:
    """Compare allocators, or settings of one, on workloads.

    Each round runs each of them once, in random order, and gives one ratio for each pair. A verdict
    requires that the 99 % confidence interval of the ratio lies entirely outside ±1 %.
    """
    # Statistics and tables are slow to import, and other commands need none.
    with ending_at_once():
        from workbench.api.progress import open_results
        from workbench.api.settings import export_settings
        from workbench.commands import comparison_report
        from workbench.experiments import read_comparison_plan

    if plan_path is not None:
        given = (workload_names, datasets, allocators, variant_texts, assignments, settings_path, seconds,
                 operations, threads, parameters)  # fmt: skip
        if any(value not in (None, ()) for value in given):
            raise BadParameter(
                "--plan says what is compared; beside it go --rounds, --looks, --seed, --latency"
            )
        plan = read_comparison_plan(plan_path)
    else:
        variants = comparison_report.read_variants(allocators, variant_texts, settings_path, assignments)
        plan = comparison_report.make_plan(
            workload_names, datasets, parameters, variants, threads, seconds, operations
        )
    plan = dataclasses.replace(
        plan,
        rounds=plan.rounds if rounds is None else rounds,
        looks=plan.looks if looks is None else looks,
        seed=plan.seed if seed is None else seed,
        samples_latency=latency or plan.samples_latency,
    )
    plan.check()
    comparison_report.check_export(plan, export_path, winner)
    with open_results(output) as results:
        found, is_whole = comparison_report.run_rounds(plan, results)
        if export_path is not None and found.is_judged:
            export_settings(found, export_path, variant=winner)
    if as_json:
        print_json(comparison_report.describe_comparison(found))
    else:
        comparison_report.print_comparison(found)
    if not is_whole:
        sys.exit(_STATUS_INTERRUPTED)
    if found.failures:
        sys.exit(_STATUS_FAILED)
