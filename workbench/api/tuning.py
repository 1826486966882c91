"""Studies: settings searched, and the winner compared with the defaults on what was held out."""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Iterator, Mapping, Sequence

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from workbench.api.measuring import make_works
from workbench.api.progress import Bars
from workbench.control import Value
from workbench.experiments import Result, Work
from workbench.tuning import (
    Bounds,
    Candidate,
    HeldOutPlan,
    Study,
    StudyPlan,
    StudyStep,
    format_settings,
    make_space,
    read_study,
)


def plan_study(
    works: Sequence[str | Work],
    search: Sequence[str] | Mapping[str, Bounds | Sequence[Value]],
    *,
    name: str = "study",
    objectives: Sequence[str] = StudyPlan.objectives,
    trials: int = StudyPlan.trials,
    rounds: int = StudyPlan.rounds,
    held_out: Sequence[str | Work] = (),
    held_out_rounds: int = HeldOutPlan.rounds,
    seconds: float | None = None,
    operations: int | None = None,
    threads: int | None = None,
    parameters: Mapping[str, float] | None = None,
) -> StudyPlan:
    """Plan a study: which tunables are searched, for what, on what, and what the winner is judged by.

    Parameters
    ----------
    works : sequence of str
        Workloads, datasets and traces that the search sees, as in `compare`.
    search : sequence of str, or mapping of str to Bounds or sequence
        Tunables; with a mapping, the bounds or the values to try.
    name : str
        By which a database tells studies apart.
    objectives : sequence of str
        "throughput", "peak_memory", or both: then it is a search for the Pareto front.
    trials : int
        Candidates in all.
    rounds : int
        Pairs that a candidate gets at most.
    held_out : sequence of str
        Works that judge the winner, besides `works` with other seeds.
    held_out_rounds : int
    seconds, operations, threads, parameters : optional
        As in `compare`.

    Raises
    ------
    WrongPlan, OutOfRange
        With the entry, the value and the remedy.
    """
    axes = search if isinstance(search, Mapping) else dict.fromkeys(search, Bounds())
    plan = StudyPlan(
        name=name,
        works=make_works(works, parameters, threads=threads, seconds=seconds, operations=operations),
        space=make_space(axes),
        objectives=tuple(objectives),
        trials=trials,
        rounds=rounds,
        held_out=HeldOutPlan(
            make_works(held_out, parameters, threads=threads, seconds=seconds, operations=operations),
            rounds=held_out_rounds,
        ),
    )
    plan.check()
    return plan


def tune(
    plan: StudyPlan | str | os.PathLike[str],
    place: str | os.PathLike[str] | None = None,
    *,
    first: Mapping[str, Value] | None = None,
    trials: int | None = None,
    held_out: bool = True,
    storage: str | None = None,
    output: str | os.PathLike[str] | None = None,
) -> Study:
    """Search settings that beat the defaults; the same call goes on where it was interrupted.

    Parameters
    ----------
    plan : StudyPlan or path
        From `plan_study`, or a TOML file (docs/tuning.md).
    place : path, optional
        Beside it the study is kept: a database NAME.db and its runs in NAME.results. The file of the plan, or
        the study's name in this folder, by default.
    first : mapping of str to Value, optional
        Settings that a new study tries first, the others at their defaults.
    trials : int, optional
        So many more candidates than there are; as many in all as the plan says by default.
    held_out : bool
        Whether the winner is compared with the defaults in the end.
    storage : str, optional
        URL of another database.
    output : path, optional
        Another folder for the runs.

    Raises
    ------
    WrongPlan, WrongResults
        If the plan, the database or the folder cannot be used.
    """
    if not isinstance(plan, StudyPlan):
        place = plan if place is None else place
        plan = read_study(plan)
    study = Study.open(plan, place or f"{plan.name}.toml", storage=storage, results=output)
    if first and not study.list_candidates():
        study.inject(first)
    run_study(study, trials, compares=held_out)
    return study


def run_study(study: Study, more: int | None = None, *, compares: bool = True) -> None:
    """Search, then compare the winner with the defaults, with a bar.

    An interrupt leaves it with KeyboardInterrupt and loses nothing that was measured.
    """
    goal = None if more is None else more + sum(one.is_finished for one in study.list_candidates())
    with _show_bar(study.plan.name) as bar:
        study.run(goal, bar.step, lambda one: bar.finish(one, study.plan.allocator))
    if compares:
        total = study.count_held_out()
        with _show_bar("held out") as bar:
            study.compare_held_out(lambda result: bar.count(result, total))


class _Bar:
    """Runs done of about so many; candidates as they end."""

    def __init__(self, progress: Bars, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=None, last="", left="")
        self._started_s = time.monotonic()
        self._counted = 0

    def step(self, step: StudyStep) -> None:
        """A run of the search."""
        last = f"trial {step.number}, round {step.round + 1}; {step.finished} of {step.goal} trials"
        self._tell(step.result)
        self._move(step.runs, step.runs_left, last)

    def finish(self, one: Candidate, allocator: str) -> None:
        """A candidate has ended."""
        ratios = ", ".join(f"{value:.3f}" for value in one.values)
        settings = format_settings(one.settings, allocator)
        text = f"{one.name}: {one.outcome} {ratios} {one.reason} {settings}"
        if not self._progress.disable:
            self._progress.console.print(" ".join(text.split()), markup=False, highlight=False)

    def count(self, result: Result, total: int) -> None:
        """A run of the comparison; those that were there before are told of, too."""
        self._tell(result)
        self._counted += 1
        self._move(self._counted, total - self._counted, result.run.title)

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

    def _tell(self, result: Result) -> None:
        if not result.is_measured:
            text = f"{result.run.title}: {result.status}: {result.reason}"
            self._progress.console.print(text, markup=False, highlight=False)


@contextlib.contextmanager
def _show_bar(title: str) -> Iterator[_Bar]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        TextColumn("{task.fields[last]}"),
    )
    with Bars(*columns) as progress:
        yield _Bar(progress, title)
