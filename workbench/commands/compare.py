"""compare: allocators or settings on the same work, in interleaved rounds, with a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from workbench.commands.arguments import (
    keep_results_option,
    parameters_option,
    path_option,
    set_option,
    settings_option,
)
from workbench.commands.completion import complete_allocator, complete_trace, complete_workload
from workbench.commands.output import STATUS_FAILED, Answer, answering
from workbench.errors import BadParameter
from workbench.interrupt import STATUS_INTERRUPTED, ending_at_once


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
    help="Also compare these settings, of the first allocator that has such tunables; repeatable.",
)
@click.option(
    "--command",
    "commands",
    multiple=True,
    metavar="COMMAND",
    help="Also compare on a program of yours, run to its end in this folder; repeatable.",
)
@click.option(
    "--command-name",
    "command_names",
    multiple=True,
    metavar="NAME",
    help="Name of a --command, in their order; by default, its program's name. Repeatable.",
)
@click.option("--shell", "by_shell", is_flag=True, default=None, help="Have /bin/sh run these commands.")
@click.option("--prepare", metavar="COMMAND", help="Run this before each run of a --command; not measured.")
@click.option("--warmup", type=int, metavar="N", help="Runs of each before the first round; not measured.")
@click.option(
    "--timeout", "timeout_s", type=float, metavar="S", help="Kill a --command after this; 900 s by default."
)
@click.option(
    "--figure",
    "figures",
    multiple=True,
    metavar="NAME:UNIT,higher=SOURCE",
    help="Also compare a number from the output of --command, or a probe of its processes. SOURCE: "
    "regex:PATTERN, json:PATH or probe:NAME; "
    "higher (or lower, the default) is better. Repeatable.",
)
@click.option(
    "--server",
    metavar="COMMAND",
    help="Start this server under the allocators; --command is its client. Memory, processor time and page "
    "faults are the server's.",
)
@click.option(
    "--ready",
    metavar="WHEN",
    help="When the client may start: once something listens at a port (WHEN is its number), the server "
    "writes a line (line:PATTERN), or a command ends with exit code 0.",
)
@click.option("--stop", metavar="HOW", help="A signal or a command that ends the server; SIGTERM by default.")
@click.option(
    "--ready-timeout",
    "ready_timeout_s",
    type=float,
    metavar="S",
    help="Longest wait for this; 30 s by default.",
)
@click.option(
    "--preload-client", is_flag=True, default=None, help="Run the client under the allocators, too."
)
@click.option(
    "--environment",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable for --command and --server; repeatable.",
)
@click.option(
    "--ignore-failure",
    is_flag=True,
    default=None,
    help="Measure a --command whatever its exit code, and go on after a crash.",
)
@click.option(
    "--any-output",
    is_flag=True,
    default=None,
    help="Let the output of a --command differ between runs; otherwise that is a failure.",
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
    help="Number of analyses, the last one included; it stops once every verdict is decided.",
)
@click.option("--seconds", type=float, metavar="S", help="Length of each run; 1 s by default.")
@click.option(
    "--operations", type=int, metavar="N", help="Length of each run in operations, instead of --seconds."
)
@click.option("--threads", type=int, metavar="N", help="Number of threads; by default, each workload's own.")
@click.option("--seed", type=int, metavar="N", help="Seed for the order of runs.")
@parameters_option
@click.option("--latency", is_flag=True, help="Also measure the latency of single calls, in separate runs.")
@path_option("--plan", "plan_path", help="Read the whole comparison from a TOML file.")
@keep_results_option
@path_option(
    "--export",
    "export_path",
    help="Write the winning settings, with this comparison as evidence; the ending tells the format.",
)
@click.option("--winner", metavar="NAME", help="Variant that --export writes, where there are several.")
@answering
def compare(
    rounds: int | None,
    looks: int | None,
    seed: int | None,
    latency: bool,
    plan_path: Path | None,
    output: Path | None,
    export_path: Path | None,
    winner: str | None,
    **compared: Any,
) -> Answer:
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

    if plan_path is None:
        plan = comparison_report.make_plan(**compared)
    elif any(value not in (None, ()) for value in compared.values()):
        raise BadParameter("--plan says what is compared; beside it go --rounds, --looks, --seed, --latency")
    else:
        plan = read_comparison_plan(plan_path)
    plan = replace(
        plan,
        rounds=plan.rounds if rounds is None else rounds,
        looks=plan.looks if looks is None else looks,
        seed=plan.seed if seed is None else seed,
        samples_latency=latency or plan.samples_latency,
    )
    plan.check()
    comparison_report.check_export(plan, export_path, winner)
    notes: list[str] = []
    with open_results(output) as results:
        found, is_whole = comparison_report.run_rounds(plan, results)
        if export_path is not None and found.is_judged:
            export_settings(found, export_path, variant=winner)
            notes = comparison_report.describe_export(found, export_path, winner)
    return Answer(
        comparison_report.describe_comparison(found),
        found.to_table(),
        notes=[*comparison_report.list_notes(found), *notes],
        status=(STATUS_FAILED if found.failures else 0) if is_whole else STATUS_INTERRUPTED,
    )
