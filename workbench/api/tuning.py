"""Studies: settings searched, and the winner compared with the defaults on what was held out."""

from __future__ import annotations

import datetime
import itertools
import os
import time
from collections.abc import Mapping, Sequence

from rich.progress import TimeElapsedColumn

from workbench.api.arguments import checks_arguments
from workbench.api.measuring import make_works
from workbench.api.progress import Bar
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


@checks_arguments
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
        "throughput", "peak_memory", or a figure that all works have; with several, it is a search for the
        Pareto front. Of commands also "elapsed" and "processor_time".
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


@checks_arguments
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
    with _StudyBar(study.plan.name) as bar:

        def step(one: StudyStep) -> None:
            trial = f"trial {one.number}, round {one.round + 1}; {one.finished} of {one.goal} trials"
            bar.count(one.result, one.runs, one.runs_left, trial)

        def finish(one: Candidate) -> None:
            ratios = ", ".join(f"{value:.3f}" for value in one.values)
            settings = format_settings(one.settings, study.plan.allocator)
            text = f"{one.name}: {one.outcome} {ratios} {one.reason} {settings}"
            if not bar.disable:
                bar.say(" ".join(text.split()))

        study.run(goal, step, finish)
    if compares:
        runs, total = itertools.count(1), study.count_held_out()
        with _StudyBar("held out") as bar:

            def take(result: Result) -> None:
                run = next(runs)
                bar.count(result, run, total - run, result.run.title)

            study.compare_held_out(take)


class _StudyBar(Bar):
    """Runs done of about so many, and the time that they will take."""

    def __init__(self, title: str) -> None:
        super().__init__(title, TimeElapsedColumn())
        self._started_s = time.monotonic()

    def count(self, result: Result, runs: int, runs_left: int, text: str) -> None:
        """So many runs are done, of which this is the last."""
        if not result.is_measured:
            self.say(f"{result.run.title}: {result.status}: {result.reason}")
        # The bar's own time left begins anew whenever the total changes, which here it does with every run.
        left_s = round((time.monotonic() - self._started_s) / runs * runs_left)
        left = f"about {datetime.timedelta(seconds=left_s)} left"
        self.move(completed=runs, total=runs + runs_left, text=f"{left} {text}")
