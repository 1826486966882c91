"""sweep: the runs of a plan, each once, also over several machines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.commands.output import json_option, print_json, show_table
from workbench.errors import SchedulerLost
from workbench.interrupt import ending_at_once

if TYPE_CHECKING:
    from workbench.experiments import Plan, Results

_STATUS_FAILED = 1
_STATUS_INTERRUPTED = 130


@click.command()
@click.argument("plan_path", metavar="PLAN.toml", type=click.Path())
@click.option(
    "--output",
    metavar="FOLDER",
    type=click.Path(),
    help="Folder for the results; by default PLAN.results, beside the plan.",
)
@click.option("--cluster", metavar="ADDRESS", help="Run on this Dask scheduler's workers: tls://host:port.")
@click.option(
    "--order-seed", type=int, default=1, show_default=True, metavar="N", help="Seed for the order of runs."
)
@click.option(
    "--check", "checks_only", is_flag=True, help="Check the plan and count its runs, but run nothing."
)
@json_option
def sweep(
    plan_path: str, output: str | None, cluster: str | None, order_seed: int, checks_only: bool, as_json: bool
) -> None:
    """Run everything a plan lists; after an interruption the same command resumes."""
    # Statistics and tables are slow to import, and other commands need none.
    with ending_at_once():
        from workbench.api.progress import show_progress
        from workbench.experiments import (
            Results,
            check_address,
            measure_on_cluster,
            measure_runs,
            read_sweep_plan,
            shuffle_runs,
        )

    plan = read_sweep_plan(plan_path)
    if cluster is not None:
        check_address(cluster)
    results = Results.open(output or Path(plan_path).with_suffix(".results"))
    done = sum(run.resolve().id in results.ids for run in plan.runs)
    if checks_only:
        _tell({"trials": len(plan), "done": done}, as_json, f"{len(plan)} runs, {done} of them done")
        return
    is_whole = True
    lost = ""
    with results.writing(), show_progress(Path(plan_path).name, len(plan), done) as advance:
        runs = shuffle_runs(plan.runs, order_seed)
        try:
            if cluster is None:
                measure_runs(runs, results, advance)
            else:
                measure_on_cluster(runs, results, cluster, advance, on_notice=_note)
        except KeyboardInterrupt:
            is_whole = False
        except SchedulerLost as error:
            lost = str(error)
        results.compact()
    _report(plan, results, as_json)
    if lost:
        _note(f"{lost}; the results are kept, and the same command goes on")
        sys.exit(_STATUS_FAILED)
    if not is_whole:
        sys.exit(_STATUS_INTERRUPTED)
    if any(not result.is_measured for result in results):
        sys.exit(_STATUS_FAILED)


def _note(text: str) -> None:
    click.echo(f"workbench: {text}", err=True)


def _report(plan: Plan, results: Results, as_json: bool) -> None:
    wanted = {run.resolve().id for run in plan.runs}
    found = [result for result in results if result.id in wanted]
    failed = [result for result in found if not result.is_measured]
    summary = {
        "folder": results.path,
        "trials": len(plan),
        "done": len(found),
        "failed": {result.id: f"{result.status}: {result.reason}" for result in failed},
    }
    words = f"{len(found)} of {len(plan)} runs done, {len(failed)} failed; in {results.path}"
    _tell(summary, as_json, words)
    if as_json or not found:
        return
    from workbench.experiments.table import tabulate_fastest  # slow to import

    show_table(tabulate_fastest(found))


def _tell(values: dict[str, object], as_json: bool, words: str) -> None:
    if as_json:
        print_json(values)
    else:
        click.echo(words)
