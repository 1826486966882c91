"""tune: search settings that are better than the defaults, and say on what was held out whether they are."""

from __future__ import annotations

from pathlib import Path

import click

from workbench.commands.arguments import PlaceType, path_option
from workbench.commands.completion import complete_trace
from workbench.commands.output import STATUS_WRONG_INPUT, Answer, answering
from workbench.errors import BadParameter, WorkbenchError
from workbench.interrupt import STATUS_INTERRUPTED, ending_at_once


@click.command()
@click.argument("study_path", metavar="STUDY.toml", type=PlaceType())
@click.option(
    "--trials", type=click.IntRange(min=0), metavar="N", help="Number of further candidates to try."
)
@click.option(
    "--inject",
    "injected",
    multiple=True,
    metavar="TUNABLE=VALUE,...",
    help="Try these settings next, with all others at their defaults; repeatable.",
)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="NAME",
    help="Tune for this: throughput, peak_memory, or a figure that the file's works declare; instead of the "
    "file's objectives. Repeatable.",
)
@click.option(
    "--start-from-whatif",
    "trace",
    metavar="TRACE",
    shell_complete=complete_trace,
    help="Try only numbers of cache slots at which the what-if curves of this trace bend, in fewer trials.",
)
@click.option("--show", is_flag=True, help="Show the state of the study, but run nothing.")
@click.option("--check", "checks_only", is_flag=True, help="Check the file, but run nothing.")
@click.option(
    "--no-held-out",
    is_flag=True,
    help="Only search; do not compare the winner with the defaults on held-out work.",
)
@path_option(
    "--export",
    "export_path",
    help="Write the winner and its evidence, if it beats the defaults; the ending tells the format.",
)
@click.option(
    "--storage", metavar="URL", help="Database of the study; by default, an SQLite file beside STUDY.toml."
)
@path_option(
    "--output",
    metavar="FOLDER",
    help="Folder for the results; by default STUDY.results, beside the file.",
)
@answering
def tune(
    study_path: str,
    trials: int | None,
    injected: tuple[str, ...],
    objectives: tuple[str, ...],
    trace: str | None,
    show: bool,
    checks_only: bool,
    no_held_out: bool,
    export_path: Path | None,
    storage: str | None,
    output: Path | None,
) -> Answer:
    """Search for settings that beat the defaults; after an interruption the same command resumes.

    Each candidate runs in pairs with the best so far and is given up early if it is unlikely to beat it. The
    winner is compared with the defaults, on seeds and workloads that the search has not seen.
    """
    # Optuna, statistics and tables are slow to import, and other commands need none.
    with ending_at_once():
        from workbench.api.settings import export_settings
        from workbench.api.tuning import run_study
        from workbench.commands import study_report
        from workbench.datasets import find_trace
        from workbench.traces import Trace
        from workbench.tuning import Study, read_study, start_from

    plan = read_study(study_path, objectives)
    start = None
    if trace is not None:
        with Trace.open(find_trace(trace)) as opened:
            start = start_from(plan, opened.whatif())
        plan = start.plan
    if (show or checks_only) and (trials is not None or injected or export_path):
        raise BadParameter("--show and --check run nothing; leave out --trials, --inject and --export")
    if no_held_out and export_path is not None:
        raise BadParameter("--export needs the comparison with the defaults; leave out --no-held-out")
    if export_path is not None:
        study_report.check_export_path(export_path)
    if checks_only:
        return study_report.answer_plan(plan, start)
    if show and storage is None and plan.storage is None and not Path(study_path).with_suffix(".db").exists():
        raise BadParameter(f"{study_path}: it has not begun; run `workbench tune {study_path}`")
    study = Study.open(plan, study_path, storage=storage, results=output, must_exist=show)
    status = 0
    if not show:
        if start is not None and not study.list_candidates():
            study.inject(start.first)
        for settings in study_report.read_injected(injected, plan):
            study.inject(settings)
        if injected and study.is_running:
            return Answer({"queued": len(injected)}, "queued: the process that runs this study tries it next")
        try:
            run_study(study, trials, compares=not no_held_out)
        except KeyboardInterrupt:
            status = STATUS_INTERRUPTED
    answer = study_report.answer_study(study, status, start)
    if export_path is not None and status == 0:
        try:
            export_settings(study, export_path)
            said = f"wrote {export_path} with the winner's settings and their evidence"
        except WorkbenchError as error:  # what the study found is shown in any case
            said, answer.status = f"workbench: {error}", STATUS_WRONG_INPUT
        answer.notes = [*answer.notes, said]
    return answer
