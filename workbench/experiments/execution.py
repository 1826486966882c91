"""Runs trials one after another into a set of results; those that are done are not run again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from workbench.experiments.measurement import run_trial
from workbench.experiments.plan import Plan
from workbench.experiments.result import TrialResult
from workbench.experiments.result_set import Results
from workbench.experiments.warming import choose_warm_bytes
from workbench.plain_values import canonical_json
from workbench.processes.runs import Run

#: Told of each result as it is kept.
ResultListener = Callable[[TrialResult], object]


class Measurer(Protocol):
    """Runs a trial to its end; `run_trial` is the one that measures."""

    def __call__(self, trial: Run, *, warm_bytes: int | None = None) -> TrialResult:
        """The trial's result, with `warm_bytes` of memory touched before."""
        ...


class WarmMemory:
    """Knows how much memory to touch before a run: what its like has needed so far."""

    def __init__(self, results: Iterable[TrialResult] = ()) -> None:
        self._peaks: dict[str, float] = {}
        for result in results:
            self.learn(result)

    def learn(self, result: TrialResult) -> None:
        """Remember the peak of a result, whatever allocator it had."""
        key = _name_work(result.trial)
        self._peaks[key] = max(self._peaks.get(key, 0.0), result.peak_resident_bytes)

    def choose(self, trial: Run) -> int:
        """Bytes to touch before a trial."""
        peak = self._peaks.get(_name_work(trial))
        return choose_warm_bytes(None if peak is None else int(peak))


def list_missing(trials: Iterable[Run], results: Results) -> list[Run]:
    """Those of the trials that have no result yet, each once."""
    missing = {trial.resolve().id: trial for trial in trials}
    return [trial for trial_id, trial in missing.items() if trial_id not in results.ids]


def shuffle_trials(trials: Iterable[Run], seed: int) -> list[Run]:
    """The trials in a random order, the same for the same seed."""
    shuffled = list(trials)
    random.Random(seed).shuffle(shuffled)
    return shuffled


def run_sweep(
    plan: Plan, results: Results, on_result: ResultListener | None = None, *, order_seed: int = 1
) -> None:
    """Run what is missing of a plan, in random order, and put all results into one table.

    Parameters
    ----------
    plan : Plan
    results : Results
    on_result : callable, optional
        Told of each new result.
    order_seed : int
        The same seed is the same order.

    Raises
    ------
    WrongResults
        If another process adds results to this set.
    """
    with results.writing():
        try:
            run_trials(shuffle_trials(plan.trials, order_seed), results, on_result)
        finally:
            results.compact()


def run_trials(trials: Sequence[Run], results: Results, on_result: ResultListener | None = None) -> None:
    """Run what is missing, in the order given; each result is on disk before the next trial begins.

    An interrupt ends it between two results; what was measured stays.

    Parameters
    ----------
    trials : sequence of Run
        All checked already.
    results : Results
        Held for writing (`Results.writing`).
    on_result : callable, optional
        Told of each new result.
    """
    memory = WarmMemory(results)
    for trial in list_missing(trials, results):
        result = run_trial(trial, warm_bytes=memory.choose(trial))
        results.add(result)
        memory.learn(result)
        if on_result is not None:
            on_result(result)


def _name_work(trial: Run) -> str:
    """The same for all trials that do the same work, whatever allocator serves it."""
    content = trial.to_dict()
    for name in ("seed", "round", "allocator", "tunables", "schedule", "samples_latency"):
        content.pop(name, None)
    return canonical_json(content)
