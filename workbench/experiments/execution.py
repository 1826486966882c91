"""Measures runs into a set of results; those that are there are not measured again."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from typing import Protocol

from workbench.experiments.cluster import measure_on_cluster
from workbench.experiments.host import WarmMemory
from workbench.experiments.measurement import measure_run
from workbench.experiments.plan import Plan
from workbench.experiments.result import Result
from workbench.experiments.result_set import Results
from workbench.processes.runs import Run

#: Told of each result as it is kept.
ResultListener = Callable[[Result], object]


class Measurer(Protocol):
    """Measures a run; `measure_run` does it in a process, tests have others."""

    def __call__(self, run: Run, *, warm_bytes: int | None = None) -> Result:
        """The run's result, with `warm_bytes` of memory touched before."""
        ...


class Measurements:
    """Gives results of runs: those of the set, or new ones where it has none, or a failure to be retried."""

    def __init__(
        self,
        results: Results,
        measure: Measurer = measure_run,
        on_new: ResultListener | None = None,
        *,
        retries_failures: bool = True,
    ) -> None:
        self._retries_failures = retries_failures
        self._results = results
        self._measure = measure
        self._on_new = on_new
        self._memory = WarmMemory(results)

    def take(self, run: Run) -> Result:
        """The result of a run; it is on disk when this returns."""
        result = self._results.get(run.resolve().id)
        if result is None or (self._retries_failures and not result.is_measured):
            result = self._measure(run, warm_bytes=self._memory.choose(run))
            self._results.add(result)
            self._memory.learn(result)
            if self._on_new is not None:
                self._on_new(result)
        return result


def run_sweep(
    plan: Plan,
    results: Results,
    on_result: ResultListener | None = None,
    *,
    order_seed: int = 1,
    cluster: str | None = None,
    on_notice: Callable[[str], object] | None = None,
) -> None:
    """Measure what is missing of a plan, in random order, and put all results into one table.

    An interrupt ends it between two results; what was measured stays.

    Parameters
    ----------
    plan : Plan
    results : Results
    on_result : callable, optional
        Told of each new result.
    order_seed : int
        The same seed is the same order.
    cluster : str, optional
        Address of a Dask scheduler whose workers measure: "tls://host:port", or "tcp://…" on this machine.
    on_notice : callable, optional
        Told, in one line, that no worker is connected, once it has waited some seconds.

    Raises
    ------
    WrongResults
        If another process adds results to this set.
    BadParameter, NoProcess, SchedulerLost, WorkerFailed
        If the cluster cannot be used, or is lost; what was measured is kept.
    """
    runs = list(plan.runs)
    random.Random(order_seed).shuffle(runs)
    with results.writing():
        missing = {run_id: run for run in runs if (run_id := run.resolve().id) not in results.ids}
        try:
            if cluster is None:
                measurements = Measurements(results, on_new=on_result)
                for run in missing.values():
                    measurements.take(run)
            else:
                with contextlib.closing(measure_on_cluster(missing, cluster, on_notice)) as found:
                    for result in found:
                        results.add(result)
                        if on_result is not None:
                            on_result(result)
        finally:
            results.compact()
