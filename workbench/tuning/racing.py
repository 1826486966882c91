"""A race: a candidate beside what it has to beat, pair after pair, until one of the rules here ends it.

A candidate runs in pairs against the incumbent. After every pair an interval of low confidence is drawn
(`PRUNE_RISK`): as soon as even its good end is no better than the margin of a verdict, the candidate cannot
beat the incumbent, and its pairs are spent on others. One that is not pruned gets all its rounds, and takes
the incumbent's place if the 95 % interval says that it is better. Pruning a good candidate by bad luck
costs that candidate; taking a bad one for good costs nothing but time, because the verdict about the
winner rests on other measurements (`workbench.tuning.held_out`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec.structs import replace

from workbench.control import Value
from workbench.experiments import Measure, Ratio, Result
from workbench.experiments.execution import Measurements
from workbench.experiments.inference import MARGIN, SHOWN_RISK, FloatArray, find_front, judge_log_ratios
from workbench.tuning.plan import MOST_ROUNDS, StudyPlan

#: Of the interval that prunes: each side of it is 10 %.
PRUNE_RISK = 0.2

Decision = Literal["go on", "pruned", "dominated", "better", "not better"]
#: Ratios to the defaults, one an objective.
Point = tuple[float, ...]


class CandidateError(Exception):
    """Says why a candidate has no ratio."""


@dataclass(frozen=True)
class Standing:
    """What the pairs of a candidate say so far, with a ratio to the incumbent for each objective.

    The decision is "go on"; "pruned" (it cannot beat the incumbent), "dominated" (nor the front); after all
    rounds "better" (in one objective at least) or "not better".
    """

    decision: Decision
    ratios: tuple[Ratio, ...]


def judge_candidate(
    log_ratios: FloatArray, measures: Sequence[Measure], rounds: int, front: Sequence[Point] = ()
) -> Standing:
    """Decide after a round.

    Parameters
    ----------
    log_ratios : array, shape (pairs, objectives)
        Ratios of candidate to incumbent; NaN where a pair does not count.
    measures : sequence of Measure
        What is tuned for; with several, the incumbent is the defaults.
    rounds : int
        How many a candidate gets at most.
    front : sequence of Point
        With several objectives: what else has been reached, besides the defaults.
    """
    ratios = tuple(
        judge_log_ratios(log_ratios[:, index], is_higher_better=measure.is_higher_better, risk=SHOWN_RISK)
        for index, measure in enumerate(measures)
    )
    corner = find_corner(log_ratios, measures)
    if len(measures) == 1:
        if measures[0].benefit(corner[0]) <= 1 + MARGIN:
            return Standing("pruned", ratios)
    elif is_dominated(corner, [*front, (1.0,) * len(measures)], measures):
        return Standing("dominated", ratios)
    if len(log_ratios) < rounds:
        return Standing("go on", ratios)
    is_better = any(ratio.verdict == "better" for ratio in ratios)
    return Standing("better" if is_better else "not better", ratios)


def find_corner(log_ratios: FloatArray, measures: Sequence[Measure]) -> Point:
    """The good ends of the intervals: as good as the candidate may be, one ratio an objective."""
    corner = []
    for index, measure in enumerate(measures):
        ratio = judge_log_ratios(log_ratios[:, index], risk=PRUNE_RISK)
        corner.append(ratio.verdict_high if measure.is_higher_better else max(ratio.verdict_low, 1e-300))
    return tuple(corner)


def is_dominated(point: Point, front: Sequence[Point], measures: Sequence[Measure]) -> bool:
    """Whether something on the front is at least as good in every objective."""
    gains = find_gains([point, *front], measures)
    return bool(np.all(gains[1:] >= gains[0], axis=1).any())


def choose_front(points: Sequence[Point], measures: Sequence[Measure]) -> list[int]:
    """Which points no other beats in one objective and equals in all others; equal points once."""
    on_front = find_front(find_gains(points, measures))
    return [index for index, point in enumerate(points) if on_front[index] and points.index(point) == index]


def find_gains(points: Sequence[Point], measures: Sequence[Measure]) -> FloatArray:
    """Ratios turned such that more is better, a row a point."""
    ratios = np.reshape(np.asarray(points, dtype=float), (-1, len(measures)))
    return np.where([measure.is_higher_better for measure in measures], ratios, 1 / ratios)


def measure_round(
    plan: StudyPlan,
    measurements: Measurements,
    number: int,
    index: int,
    settings: Mapping[str, Value],
    against: Mapping[str, Value],
) -> list[float]:
    """Mean log-ratio of a candidate over all works, an objective each; NaN if the round does not count.

    CandidateError if a run of the candidate failed.
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
            counts = _identify(found[True]) == _identify(found[False]) and ours > 0 and theirs > 0
            logs[place] += math.log(ours / theirs) if counts else math.nan
    return [total / len(plan.works) for total in logs]


def _identify(result: Result) -> tuple[str, ...]:
    """What two sides of a pair have in common: one machine, one build of the allocator and of the runner."""
    return result.machine.id, result.software.allocator_checksum, result.software.runner_checksum
