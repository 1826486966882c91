"""Measures runs one after another into a set of results; those that are done are not run again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from workbench.experiments.measurement import measure_run
from workbench.experiments.plan import Plan
from workbench.experiments.result import Result
from workbench.experiments.result_set import Results
from workbench.experiments.warming import choose_warm_bytes
from workbench.plain_values import canonical_json
from workbench.processes.runs import Run

#: Told of each result as it is kept.
ResultListener = Callable[[Result], object]


class Measurer(Protocol):
    """Measures a run; `measure_run` does it in a process, tests have others."""

    def __call__(self, run: Run, *, warm_bytes: int | None = None) -> Result:
        """The run's result, with `warm_bytes` of memory touched before."""
        ...


class WarmMemory:
    """Knows how much memory to touch before a run: what its like has needed so far."""

    def __init__(self, results: Iterable[Result] = ()) -> None:
        self._peaks: dict[str, float] = {}
        for result in results:
            self.learn(result)

    def learn(self, result: Result) -> None:
        """Remember the peak of a result, whatever allocator it had."""
        key = _name_work(result.run)
        self._peaks[key] = max(self._peaks.get(key, 0.0), result.peak_resident_bytes)

    def choose(self, run: Run) -> int:
        """Bytes to touch before a run."""
        peak = self._peaks.get(_name_work(run))
        return choose_warm_bytes(None if peak is None else int(peak))


def list_missing(runs: Iterable[Run], results: Results) -> list[Run]:
    """Those of the runs that have no result yet, each once."""
    missing = {run.resolve().id: run for run in runs}
    return [run for run_id, run in missing.items() if run_id not in results.ids]


def shuffle_runs(runs: Iterable[Run], seed: int) -> list[Run]:
    """The runs in a random order, the same for the same seed."""
    shuffled = list(runs)
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
            measure_runs(shuffle_runs(plan.runs, order_seed), results, on_result)
        finally:
            results.compact()


def measure_runs(runs: Sequence[Run], results: Results, on_result: ResultListener | None = None) -> None:
    """Run what is missing, in the order given; each result is on disk before the next run begins.

    An interrupt ends it between two results; what was measured stays.

    Parameters
    ----------
    runs : sequence of Run
        All checked already.
    results : Results
        Held for writing (`Results.writing`).
    on_result : callable, optional
        Told of each new result.
    """
    memory = WarmMemory(results)
    for run in list_missing(runs, results):
        result = measure_run(run, warm_bytes=memory.choose(run))
        results.add(result)
        memory.learn(result)
        if on_result is not None:
            on_result(result)


def _name_work(run: Run) -> str:
    """The same for all runs that do the same work, whatever allocator serves it."""
    content = run.to_dict()
    for name in ("seed", "round", "allocator", "tunables", "schedule", "samples_latency"):
        content.pop(name, None)
    return canonical_json(content)
