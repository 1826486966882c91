"""What `tune` does: a study with its progress, what it tells, and the file with the evidence."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from workbench.commands.arguments import parse_assignments
from workbench.commands.comparison_report import describe_comparison, print_comparison
from workbench.commands.output import print_json, print_table
from workbench.control import ControlBlock, Value
from workbench.errors import BadParameter
from workbench.experiments import TrialResult
from workbench.export import FORMATS
from workbench.processes.settings import known_tunables
from workbench.tuning import Candidate, HeldOut, Study, StudyPlan, StudyStep

_SHOWN_CANDIDATES = 12


def read_injected(texts: Sequence[str]) -> list[dict[str, Value]]:
    """Settings of --inject, one candidate each."""
    with ControlBlock.own() as own:
        return [parse_assignments(text.split(","), own.tunables) for text in texts]


def check_export_path(path: str) -> None:
    """See that a file can be written there once the study is over.

    Raises
    ------
    BadParameter
        If its ending tells no format, or its folder is not there.
    """
    endings = [form.suffix for form in FORMATS.values()]
    if not path.endswith(tuple(endings)):
        raise BadParameter(f"{path}: its ending tells no format; there are {', '.join(endings)}")
    if not Path(path).absolute().parent.is_dir():
        raise BadParameter(f"{path}: there is no such folder; make it first")


def run_study(study: Study, more: int | None, *, compares: bool) -> bool:
    """Search, then compare the winner with the defaults; whether it was not interrupted."""
    goal = None if more is None else more + sum(one.is_finished for one in study.list_candidates())
    try:
        with _show_bar(study.plan.name) as bar:
            study.run(goal, bar.step, bar.finish)
        if compares:
            total = study.count_held_out()
            with _show_bar("held out") as bar:
                study.compare_held_out(lambda result: bar.count(result, total))
    except KeyboardInterrupt:
        return False
    return True


def export_winner(study: Study, path: str) -> None:
    """Write the settings that were confirmed, with their evidence.

    Raises
    ------
    BadParameter
        If none were.
    """
    from workbench.export.evidence import Evidence
    from workbench.export.evidence_files import write_evidence

    held_out = study.read_held_out()
    names = () if held_out is None else held_out.confirmed + held_out.traded
    if held_out is None or not names:
        raise BadParameter(f"{path}: nothing was written, since nothing beats the defaults")
    write_evidence(path, Evidence.from_comparison(held_out.comparison, held_out.results, names[0]))
    click.echo(f"wrote {path} with the settings of {names[0]} and their evidence", err=True)


# --- what is told ---


def print_plan(plan: StudyPlan, as_json: bool) -> None:
    """What a file declares."""
    if as_json:
        print_json(plan.to_dict() | {"name": plan.name, "trials": plan.trials})
        return
    click.echo(
        f"{plan.name}: {plan.trials} trials of up to {plan.rounds} rounds on "
        f"{', '.join(work.name for work in plan.works)}; objectives: {', '.join(plan.objectives)}"
    )
    print_table(
        ("tunable", "searched"),
        [(each.tunable.name, each.describe()) for each in plan.space.dimensions],
        wrapped=("searched",),
    )


def print_study(study: Study, as_json: bool) -> None:
    """How a study stands: the latest candidates, the best, and what was held out."""
    candidates = study.list_candidates()
    held_out = study.read_held_out()
    if as_json:
        print_json(_describe_study(study, candidates, held_out))
        return
    plan = study.plan
    finished = [one for one in candidates if one.is_finished]
    counts = {outcome: sum(one.outcome == outcome for one in candidates) for outcome in _order(candidates)}
    click.echo(
        f"{plan.name}: {len(finished)} trials finished of {plan.trials}"
        + (f" ({', '.join(f'{count} {outcome}' for outcome, count in counts.items())})" if counts else "")
        + f"; kept in {study.storage} and {study.results.path}"
    )
    shown = candidates[-_SHOWN_CANDIDATES:]
    rows = [(str(one.number), one.outcome, *_row(one, study), one.reason) for one in shown]
    columns = ("trial", "outcome", "pairs", *plan.objectives, "settings", "reason")
    print_table(
        columns,
        rows,
        right=("trial", "pairs"),
        wrapped=("settings", "reason"),
        dropped=("reason", "pairs", "outcome"),
    )
    winners = study.find_winners()
    for one in winners:
        ratios = ", ".join(
            f"{name} {value:.3f}" for name, value in zip(plan.objectives, one.values, strict=True)
        )
        place = "best so far" if len(plan.objectives) == 1 else "on the front"
        click.echo(f"{place}: {one.name}: {format_settings(one.settings)}; to the defaults: {ratios}")
    if not winners and finished:
        click.echo("nothing beats the defaults so far: keep them")
    if held_out is not None:
        print_comparison(held_out.comparison)
        for line in held_out.describe():
            click.echo(line)


def format_settings(settings: Any) -> str:
    """Write "tls.grow_percent=60 %, tls.max_slots=512 slots"."""
    known = known_tunables()
    return ", ".join(f"{name}={known[name].format(value)}" for name, value in settings.items())


def _row(one: Candidate, study: Study) -> tuple[str, ...]:
    values = one.values or (None,) * len(study.plan.objectives)
    told = tuple("" if value is None else f"{value:.3f}" for value in values)
    return (str(one.pairs) if one.pairs else "", *told, format_settings(one.settings))


def _order(candidates: Sequence[Candidate]) -> list[str]:
    return list(dict.fromkeys(sorted(one.outcome for one in candidates)))


def _describe_study(
    study: Study, candidates: Sequence[Candidate], held_out: HeldOut | None
) -> dict[str, Any]:
    return {
        "name": study.plan.name,
        "storage": study.storage,
        "folder": study.results.path,
        "objectives": study.plan.objectives,
        "finished": sum(one.is_finished for one in candidates),
        "trials": candidates,
        "best": [one.number for one in study.find_winners()],
        "best_settings": study.best_settings(),
        "held_out": None
        if held_out is None
        else {
            "comparison": describe_comparison(held_out.comparison),
            "confirmed": held_out.confirmed,
            "traded": held_out.traded,
            "words": held_out.describe(),
        },
    }


class _Bar:
    """Runs done of about so many; candidates as they end."""

    def __init__(self, progress: Progress, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=None, last="", left="")
        self._started_s = time.monotonic()
        self._counted = 0

    def step(self, step: StudyStep) -> None:
        """A run of the search."""
        last = f"trial {step.number}, round {step.round + 1}; {step.finished} of {step.goal} trials"
        self._tell(step.result)
        self._move(step.runs, step.runs_left, last)

    def finish(self, one: Candidate) -> None:
        """A candidate has ended."""
        ratios = ", ".join(f"{value:.3f}" for value in one.values)
        text = f"{one.name}: {one.outcome} {ratios} {one.reason} {format_settings(one.settings)}"
        if not self._progress.disable:
            self._progress.console.print(" ".join(text.split()), markup=False, highlight=False)

    def count(self, result: TrialResult, total: int) -> None:
        """A run of the comparison; those that were there before are told of, too."""
        self._tell(result)
        self._counted += 1
        self._move(self._counted, total - self._counted, result.trial.title)

    def _move(self, runs: int, runs_left: int, last: str) -> None:
        # The bar's own time left begins anew whenever the total changes, which here it does with every run.
        left_s = round((time.monotonic() - self._started_s) / runs * runs_left)
        self._progress.update(
            self._task,
            completed=runs,
            total=runs + runs_left,
            last=last,
            left=f"about {datetime.timedelta(seconds=left_s)} left",
        )

    def _tell(self, result: TrialResult) -> None:
        if not result.is_measured:
            text = f"{result.trial.title}: {result.status}: {result.reason}"
            self._progress.console.print(text, markup=False, highlight=False)


@contextlib.contextmanager
def _show_bar(title: str) -> Iterator[_Bar]:
    """A bar on a terminal's standard error."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        yield _Bar(progress, title)
