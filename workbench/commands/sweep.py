"""sweep: the runs of a plan, each once, also over several machines."""

from __future__ import annotations

from pathlib import Path

import click

from workbench.commands.arguments import PlaceType, path_option
from workbench.commands.output import STATUS_FAILED, Answer, answering
from workbench.errors import SchedulerLost
from workbench.interrupt import STATUS_INTERRUPTED, ending_at_once


@click.command()
@click.argument("plan_path", metavar="PLAN.toml", type=PlaceType())
@path_option(
    "--output", metavar="FOLDER", help="Folder for the results; by default PLAN.results, beside the plan."
)
@click.option("--cluster", metavar="ADDRESS", help="Run on this Dask scheduler's workers: tls://host:port.")
@click.option(
    "--order-seed", type=int, default=1, show_default=True, metavar="N", help="Seed for the order of runs."
)
@click.option(
    "--check", "checks_only", is_flag=True, help="Check the plan and count its runs, but run nothing."
)
@answering
def sweep(
    plan_path: str, output: Path | None, cluster: str | None, order_seed: int, checks_only: bool
) -> Answer:
    """Run everything a plan lists; after an interruption the same command resumes."""
    # Statistics and tables are slow to import, and other commands need none.
    with ending_at_once():
        from workbench.api.progress import show_progress
        from workbench.experiments import Results, check_address, read_sweep_plan, run_sweep
        from workbench.experiments.table import tabulate_fastest

    plan = read_sweep_plan(plan_path)
    if cluster is not None:
        check_address(cluster)
    results = Results.open(output or Path(plan_path).with_suffix(".results"))
    wanted = {run.resolve().id for run in plan.runs}
    done = len(results.ids & wanted)
    if checks_only:
        words = f"{len(plan)} runs, {done} of them done"
        return Answer({"trials": len(plan), "done": done}, words)
    status = 0
    with show_progress(Path(plan_path).name, len(plan), done) as advance:
        try:
            run_sweep(plan, results, advance, order_seed=order_seed, cluster=cluster, on_notice=_note)
        except KeyboardInterrupt:
            status = STATUS_INTERRUPTED
        except SchedulerLost as error:
            status = STATUS_FAILED
            _note(f"{error}; the results are kept, and the same command goes on")
    found = [result for result in results if result.id in wanted]
    failed = {result.id: f"{result.status}: {result.reason}" for result in found if not result.is_measured}
    return Answer(
        {"folder": results.path, "trials": len(plan), "done": len(found), "failed": failed},
        f"{len(found)} of {len(plan)} runs done, {len(failed)} failed; in {results.path}",
        *([tabulate_fastest(found)] if found else []),
        status=status or (STATUS_FAILED if failed else 0),
    )


def _note(text: str) -> None:
    click.echo(f"workbench: {text}", err=True)
