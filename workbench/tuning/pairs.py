"""A candidate and what it has to beat, side by side, work by work."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

from msgspec.structs import replace

from workbench.control import Value
from workbench.experiments import Result
from workbench.experiments.execution import Measurements
from workbench.tuning.plan import MOST_ROUNDS, StudyPlan


class CandidateError(Exception):
    """Says why a candidate has no ratio."""


def measure_round(
    plan: StudyPlan,
    measurements: Measurements,
    number: int,
    index: int,
    settings: Mapping[str, Value],
    against: Mapping[str, Value],
) -> list[float]:
    """Mean log-ratio of a candidate over all works, an objective each; NaN if the round does not count.

    Raises
    ------
    CandidateError
        If a run of the candidate did.
    """
    order = random.Random(f"{plan.sampler_seed} {number} {index}")
    logs = [0.0] * len(plan.measures)
    for work in order.sample(plan.works, len(plan.works)):
        found: dict[bool, Result] = {}
        for is_candidate in order.sample((True, False), 2):
            run = replace(
                work.run,
                seed=plan.seeds[index % len(plan.seeds)],
                round=number * MOST_ROUNDS + index,
                tunables=dict(settings if is_candidate else against),
            )
            result = found[is_candidate] = measurements.take(run)
            if is_candidate and not result.is_measured:
                raise CandidateError(f"{work.name}: {result.status}: {result.reason}")
        for place, measure in enumerate(plan.measures):
            ours, theirs = measure.read(found[True]), measure.read(found[False])
            counts = _are_alike(*found.values()) and ours > 0 and theirs > 0
            logs[place] += math.log(ours / theirs) if counts else math.nan
    return [total / len(plan.works) for total in logs]


def _are_alike(one: Result, other: Result) -> bool:
    """Whether two sides make a pair: one machine, one build of the allocator and of the runner."""
    return (one.machine.id, one.software.allocator_checksum, one.software.runner_checksum) == (
        other.machine.id,
        other.software.allocator_checksum,
        other.software.runner_checksum,
    )
