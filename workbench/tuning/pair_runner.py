"""Runs a candidate and what it has to beat, side by side, work by work."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from workbench.control import Value
from workbench.experiments import Result, Results, Run
from workbench.experiments.execution import Measurer, WarmMemory
from workbench.tuning.plan import MOST_ROUNDS, StudyPlan

#: Told of a new run, the candidate's number, and the index of its round.
RunListener = Callable[[Result, int, int], object]


class PairRunner:
    """Runs rounds into a set of results; runs that are there are not run again.

    Parameters
    ----------
    plan : StudyPlan
    results : Results
        Held for writing when a round is measured.
    measure : callable
        Measures a run.
    on_run : callable
        Told of each new run.
    """

    def __init__(self, plan: StudyPlan, results: Results, measure: Measurer, on_run: RunListener) -> None:
        self._plan = plan
        self._results = results
        self._run = measure
        self._on_run = on_run
        self._memory = WarmMemory(results)

    def measure_round(
        self, number: int, index: int, settings: Mapping[str, Value], against: Mapping[str, Value]
    ) -> tuple[list[float] | None, str]:
        """Mean log-ratio over all works, an objective each, or why the candidate failed."""
        order = random.Random(f"{self._plan.sampler_seed} {number} {index}")
        measures = self._plan.measures
        works = self._plan.works
        logs = [0.0] * len(measures)
        for work in order.sample(works, len(works)):
            found: dict[bool, Result] = {}
            for is_candidate in order.sample((True, False), 2):
                run = replace(
                    work.run,
                    seed=self._plan.seeds[index % len(self._plan.seeds)],
                    round=number * MOST_ROUNDS + index,
                    tunables=dict(settings if is_candidate else against),
                )
                result = found[is_candidate] = self._measure(run, number, index)
                if is_candidate and not result.is_measured:
                    return None, f"{work.name}: {result.status}: {result.reason}"
            for place, measure in enumerate(measures):
                sides = [measure.read(found[side]) for side in (True, False)]
                counts = _are_alike(found) and all(math.isfinite(side) and side > 0 for side in sides)
                logs[place] += math.log(sides[0] / sides[1]) if counts else math.nan
        return [total / len(works) for total in logs], ""

    def _measure(self, run: Run, number: int, index: int) -> Result:
        """The run's result; measured now if it is not there."""
        result = self._results.get(run.resolve().id)
        if result is not None:
            return result
        result = self._run(run, warm_bytes=self._memory.choose(run))
        self._results.add(result)
        self._memory.learn(result)
        self._on_run(result, number, index)
        return result


def _are_alike(found: Mapping[bool, Result]) -> bool:
    """Whether two sides make a pair: one machine, one build of the allocator and of the runner."""
    origins = {
        (side.machine.id, side.software.allocator_checksum, side.software.runner_checksum)
        for side in found.values()
    }
    return len(origins) == 1 and all(side.is_measured for side in found.values())
