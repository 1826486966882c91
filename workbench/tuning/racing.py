"""When a candidate is worth no more measurements, and when it is better: rules about paired log-ratios.

A candidate runs in pairs against the incumbent. After every pair an interval of low confidence is drawn
(`PRUNE_RISK`): as soon as even its good end is no better than the margin of a verdict, the candidate cannot
beat the incumbent, and its pairs are spent on others. One that is not pruned gets all its rounds, and takes
the incumbent's place if the 95 % interval says that it is better. Pruning a good candidate by bad luck
costs that candidate; taking a bad one for good costs nothing but time, because the verdict about the
winner rests on other measurements (`workbench.tuning.held_out`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.experiments import Measure, Ratio
from workbench.experiments.inference import (
    MARGIN,
    SHOWN_RISK,
    FloatArray,
    find_front,
    judge_log_ratios,
    least_pairs,
)
from workbench.tuning.objective import benefit

#: Of the interval that prunes: each side of it is 10 %.
PRUNE_RISK = 0.2
#: With fewer rounds nothing could ever be told better.
LEAST_ROUNDS = least_pairs(SHOWN_RISK)

Decision = Literal["go on", "pruned", "dominated", "better", "not better"]
#: Ratios to the defaults, one an objective.
Point = tuple[float, ...]


@dataclass(frozen=True)
class Standing:
    """What the pairs of a candidate say so far.

    Parameters
    ----------
    decision : str
        "go on"; "pruned" (it cannot beat the incumbent), "dominated" (nor the front); after all rounds
        "better" (in one objective at least) or "not better".
    ratios : tuple of Ratio
        To the incumbent, one an objective.
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
        With several objectives: what else has been reached. The defaults are always part of it.
    """
    ratios = tuple(
        judge_log_ratios(log_ratios[:, index], is_higher_better=measure.is_higher_better, risk=SHOWN_RISK)
        for index, measure in enumerate(measures)
    )
    if len(measures) == 1:
        if not can_beat(log_ratios[:, 0], measures[0]):
            return Standing("pruned", ratios)
    else:
        corner = find_corner(log_ratios, measures)
        if is_dominated(corner, [*front, (1.0,) * len(measures)], measures):
            return Standing("dominated", ratios)
    if len(log_ratios) < rounds:
        return Standing("go on", ratios)
    is_better = any(ratio.verdict == "better" for ratio in ratios)
    return Standing("better" if is_better else "not better", ratios)


def can_beat(log_ratios: FloatArray, measure: Measure) -> bool:
    """Whether the good end of the interval is better by more than the margin."""
    return benefit(measure, find_corner(log_ratios[:, None], [measure])[0]) > 1 + MARGIN


def find_corner(log_ratios: FloatArray, measures: Sequence[Measure]) -> Point:
    """The good ends of the intervals: as good as the candidate may be, one ratio an objective."""
    corner = []
    for index, measure in enumerate(measures):
        ratio = judge_log_ratios(log_ratios[:, index], risk=PRUNE_RISK)
        corner.append(ratio.verdict_high if measure.is_higher_better else max(ratio.verdict_low, 1e-300))
    return tuple(corner)


def is_dominated(point: Point, front: Sequence[Point], measures: Sequence[Measure]) -> bool:
    """Whether something on the front is at least as good in every objective."""
    return any(
        all(
            benefit(measure, ours) <= benefit(measure, theirs)
            for measure, ours, theirs in zip(measures, point, other, strict=True)
        )
        for other in front
    )


def choose_front(points: Sequence[Point], measures: Sequence[Measure]) -> list[int]:
    """Which points nothing else is better than in one objective and as good in all others.

    Among equal points it is the first.
    """
    gains = [
        tuple(benefit(measure, ratio) for measure, ratio in zip(measures, point, strict=True))
        for point in points
    ]
    on_front = find_front(stack_rounds(gains, len(measures)))
    return [index for index, point in enumerate(gains) if on_front[index] and gains.index(point) == index]


def stack_rounds(rows: Sequence[Sequence[float]], objectives: int) -> FloatArray:
    """Rows of log-ratios as an array, also of none."""
    return np.asarray(rows, dtype=float).reshape(len(rows), objectives)
