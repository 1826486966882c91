"""The law by which candidates are given up, and when one is better."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.experiments import PEAK_RESIDENT, THROUGHPUT, Measure
from workbench.experiments.inference import MARGIN
from workbench.tuning.plan import LEAST_ROUNDS
from workbench.tuning.racing import choose_front, find_corner, is_dominated, judge_candidate

ROUNDS = 12
LOGS = st.lists(st.floats(-0.5, 0.5, allow_nan=False), min_size=1, max_size=ROUNDS)
MEASURES = st.sampled_from([THROUGHPUT, PEAK_RESIDENT])
POINTS = st.lists(st.tuples(st.floats(0.2, 5.0), st.floats(0.2, 5.0)), max_size=12)
BOTH = (THROUGHPUT, PEAK_RESIDENT)


def column(logs: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.reshape(logs, (-1, 1))


def is_pruned(logs: list[float], measure: Measure) -> bool:
    return judge_candidate(column(logs), [measure], ROUNDS).decision == "pruned"


def turn(logs: list[float], measure: Measure) -> list[float]:
    """Such that more is better in the measure."""
    return logs if measure.is_higher_better else [-log for log in logs]


@given(LOGS, MEASURES)
@settings(max_examples=200, deadline=None)
def test_what_is_better_in_every_pair_is_never_pruned(logs: list[float], measure: Measure) -> None:
    better = [abs(log) + math.log1p(MARGIN) + 1e-6 for log in logs]
    standing = judge_candidate(column(turn(better, measure)), [measure], ROUNDS)
    assert standing.decision == ("better" if len(logs) == ROUNDS else "go on")


@given(LOGS, MEASURES)
@settings(max_examples=200, deadline=None)
def test_nothing_is_pruned_before_there_is_an_interval(logs: list[float], measure: Measure) -> None:
    assert judge_candidate(column(turn(logs[:3], measure)), [measure], ROUNDS).decision == "go on"
    four = [-abs(log) for log in (logs * 4)[:4]]
    assert judge_candidate(column(turn(four, measure)), [measure], ROUNDS).decision == "pruned"


@given(LOGS, MEASURES, st.floats(0, 0.5), st.randoms())
@settings(max_examples=200, deadline=None)
def test_worse_figures_never_save_a_candidate_and_their_order_does_not_matter(
    logs: list[float], measure: Measure, loss: float, order: object
) -> None:
    mixed = list(logs)
    order.shuffle(mixed)  # type: ignore[attr-defined]
    assert judge_candidate(column(mixed), [measure], ROUNDS) == judge_candidate(
        column(logs), [measure], ROUNDS
    )
    if is_pruned(turn(logs, measure), measure):
        worse = [log - loss for log in logs]
        assert is_pruned(turn(worse, measure), measure)


@given(LOGS, MEASURES)
@settings(max_examples=200, deadline=None)
def test_all_rounds_end_in_a_decision_and_better_is_what_the_interval_says(
    logs: list[float], measure: Measure
) -> None:
    whole = (logs * ROUNDS)[:ROUNDS]
    standing = judge_candidate(column(whole), [measure], ROUNDS)
    assert standing.decision in ("pruned", "better", "not better")
    if standing.decision == "better":
        assert standing.ratios[0].verdict == "better"
        ratio = standing.ratios[0]
        assert ratio.low > 1 if measure.is_higher_better else ratio.high < 1


@given(LOGS)
@settings(max_examples=100, deadline=None)
def test_pairs_that_do_not_count_change_nothing(logs: list[float]) -> None:
    gaps = [item for log in logs for item in (math.nan, log)]
    assert is_pruned(gaps, THROUGHPUT) == is_pruned(logs, THROUGHPUT)
    assert judge_candidate(column([math.nan]), [THROUGHPUT], ROUNDS).decision == "go on"


def race(rng: np.random.Generator, gain: float, noise: float) -> tuple[str, int]:
    logs = rng.normal(math.log(gain), noise, ROUNDS)
    for rounds in range(1, ROUNDS + 1):
        decision = judge_candidate(logs[:rounds, None], [THROUGHPUT], ROUNDS).decision
        if decision != "go on":
            return decision, rounds
    raise AssertionError("no decision")


def test_how_often_it_errs_and_what_it_saves() -> None:
    """300 candidates of each kind, 3 % of noise a pair; the seed is fixed."""
    rng = np.random.default_rng(1)
    good = [race(rng, 1.08, 0.03) for _ in range(300)]
    assert sum(decision == "pruned" for decision, _ in good) <= 3
    assert sum(decision == "better" for decision, _ in good) >= 285
    same = [race(rng, 1.0, 0.03) for _ in range(300)]
    assert sum(decision == "better" for decision, _ in same) <= 8
    bad = [race(rng, 0.93, 0.03) for _ in range(300)]
    assert all(decision == "pruned" for decision, _ in bad)
    assert np.mean([rounds for _, rounds in bad]) < 5


@given(POINTS)
@settings(max_examples=200, deadline=None)
def test_the_front_is_what_nothing_beats(points: list[tuple[float, float]]) -> None:
    front = [points[index] for index in choose_front(points, BOTH)]
    assert len(front) == len(set(front))
    for point in points:
        beaten_by = [
            other for other in points if other[0] >= point[0] and other[1] <= point[1] and other != point
        ]
        assert (point in front) == (not beaten_by)
        assert is_dominated(point, front, BOTH)  # at the least by itself


# In thousandths: with less between two values, rounding would decide.
THOUSANDTHS = st.integers(-300, 300).map(lambda thousandths: thousandths / 1000)


@given(st.lists(st.tuples(THOUSANDTHS, THOUSANDTHS), min_size=1, max_size=ROUNDS), POINTS)
@settings(max_examples=200, deadline=None)
def test_a_pareto_candidate_stops_when_its_good_corner_is_reached_by_another(
    logs: list[tuple[float, float]], front: list[tuple[float, float]]
) -> None:
    pairs = np.array(logs)
    standing = judge_candidate(pairs, BOTH, ROUNDS, front)
    corner = find_corner(pairs, BOTH)
    reached = any(
        throughput >= corner[0] and memory <= corner[1] * (1 + 1e-12)
        for throughput, memory in [*front, (1.0, 1.0)]
    )
    assert (standing.decision == "dominated") == reached
    if len(logs) < 4:
        assert standing.decision == "go on"


def test_fewer_rounds_than_can_tell_are_not_allowed() -> None:
    better = [0.5] * ROUNDS
    for rounds in range(1, ROUNDS):
        decision = judge_candidate(column(better[:rounds]), [THROUGHPUT], rounds).decision
        assert decision == ("better" if rounds >= LEAST_ROUNDS else "not better")


@pytest.mark.parametrize("measure", BOTH)
def test_the_direction_is_the_measures(measure: Measure) -> None:
    faster = judge_candidate(column([0.3] * ROUNDS), [measure], ROUNDS)
    assert faster.decision == ("better" if measure is THROUGHPUT else "pruned")
