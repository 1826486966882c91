"""Ratios of paired measurements: the laws of the interval, and how often a verdict is wrong."""

from __future__ import annotations

import itertools
import math
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from workbench.experiments import Ratio, compare_pairs, describe_verdict, spend_risk
from workbench.experiments.inference import EXACT_PAIRS, VERDICT_RISK, judge_log_ratios, least_pairs

RECORDED = Path(__file__).parent / "data" / "one_allocator_twice.csv"
WORKS = ("random_mixed 256", "larson, 2 threads")
REPEATS = 1000
POSITIVE = st.floats(1e-3, 1e6, allow_nan=False)
PAIRS = st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=30)


@cache
def recorded_log_ratios(work: str) -> npt.NDArray[np.float64]:
    """One allocator against itself, by round."""
    frame = pd.read_csv(RECORDED, comment="#")
    sides = frame[frame["work"] == work].pivot(index="round", columns="side", values="operations_per_s")
    values = sides[["a", "b"]].to_numpy(dtype=np.float64)
    return np.asarray(np.log(values[:, 0] / values[:, 1]), dtype=np.float64)


def split(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


@given(PAIRS)
@settings(deadline=None)
def test_the_interval_holds_the_estimate_and_the_wider_one_holds_it(pairs: list[tuple[float, float]]) -> None:
    ratio = compare_pairs(*split(pairs))
    assert ratio.pairs == len(pairs)
    ordered = [ratio.verdict_low, ratio.low, ratio.estimate, ratio.high, ratio.verdict_high]
    assert all(one <= other * (1 + 1e-12) for one, other in itertools.pairwise(ordered))


@given(PAIRS, st.randoms())
@settings(deadline=None)
def test_the_order_of_rounds_does_not_matter(pairs: list[tuple[float, float]], random: object) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert compare_pairs(*split(pairs)) == compare_pairs(*split(shuffled))


@given(PAIRS)
@settings(deadline=None)
def test_sides_swapped_give_the_inverse(pairs: list[tuple[float, float]]) -> None:
    values, baseline = split(pairs)
    ratio, inverse = compare_pairs(values, baseline), compare_pairs(baseline, values)
    assert inverse.estimate == pytest.approx(1 / ratio.estimate)
    if math.isfinite(ratio.high):
        assert (inverse.low, inverse.high) == pytest.approx((1 / ratio.high, 1 / ratio.low))
    opposite = {"better": "worse", "worse": "better", "cannot tell": "cannot tell"}
    assert inverse.verdict == opposite[ratio.verdict]
    assert compare_pairs(values, baseline, is_higher_better=False).verdict == opposite[ratio.verdict]


@given(PAIRS, st.floats(0.1, 10))
@settings(deadline=None)
def test_a_factor_scales_everything(pairs: list[tuple[float, float]], factor: float) -> None:
    values, baseline = split(pairs)
    ratio = compare_pairs(values, baseline)
    scaled = compare_pairs([value * factor for value in values], baseline)
    assert scaled.estimate == pytest.approx(ratio.estimate * factor)
    assert (scaled.low, scaled.high) == pytest.approx((ratio.low * factor, ratio.high * factor))


@pytest.mark.parametrize("pairs", [8, 12, 25, 60])
def test_the_interval_is_the_inverse_of_the_signed_rank_test(pairs: int) -> None:
    """A ratio is in the 99 % interval exactly if scipy's exact test does not refuse it at 1 %."""
    log_ratios = np.random.default_rng(pairs).normal(0.05, 0.2, pairs)
    ratio = judge_log_ratios(log_ratios)
    inside, outside = 1e-9, -1e-9
    for bound, sign in ((ratio.verdict_low, 1), (ratio.verdict_high, -1)):
        for shift, is_refused in ((inside, False), (outside, True)):
            tested = stats.wilcoxon(log_ratios - math.log(bound) - sign * shift, method="exact")
            assert (tested.pvalue <= VERDICT_RISK) == is_refused


def test_the_approximation_continues_the_exact_law() -> None:
    log_ratios = np.random.default_rng(5).normal(0, 0.1, EXACT_PAIRS + 1)
    exact, approximate = judge_log_ratios(log_ratios[:-1]), judge_log_ratios(log_ratios)
    assert approximate.verdict_low == pytest.approx(exact.verdict_low, abs=2e-3)
    assert approximate.verdict_high == pytest.approx(exact.verdict_high, abs=2e-3)


def test_too_few_pairs_have_no_interval_and_no_verdict() -> None:
    for pairs in range(1, least_pairs()):
        ratio = compare_pairs([10.0] * pairs, [1.0] * pairs)
        assert (ratio.verdict_low, ratio.verdict_high) == (0.0, math.inf)
        assert ratio.verdict == "cannot tell"
        assert ratio.rounds_to_tell == least_pairs()
    assert compare_pairs([10.0] * least_pairs(), [1.0] * least_pairs()).verdict == "better"
    assert least_pairs() == 8


@pytest.mark.parametrize("wrong", [float("nan"), 0.0, -1.0, math.inf])
def test_values_that_are_none_are_left_out(wrong: float) -> None:
    good = compare_pairs([2.0, 3.0], [1.0, 2.0])
    assert compare_pairs([2.0, wrong, 3.0, 1.0], [1.0, 1.0, 2.0, wrong]) == good


def test_nothing_measured_tells_nothing() -> None:
    ratio = compare_pairs([], [])
    assert ratio.pairs == 0
    assert math.isnan(ratio.estimate)
    assert describe_verdict(ratio) == "cannot tell: nothing was measured"
    with pytest.raises(ValueError, match="1 values cannot be paired with 2"):
        compare_pairs([1.0], [1.0, 2.0])


def test_equal_values_are_the_same() -> None:
    ratio = compare_pairs([5.0] * 20, [5.0] * 20)
    assert ratio.is_same
    assert describe_verdict(ratio) == "the same within 1 %"


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("rounds", [10, 20, 50])
def test_one_allocator_is_seldom_better_than_itself(work: str, rounds: int) -> None:
    """Stretches of recorded rounds, so that the machine's drift is in them, at any place."""
    recorded = recorded_log_ratios(work)
    random = np.random.default_rng(rounds)
    verdicts = 0
    for _ in range(REPEATS):
        start = random.integers(len(recorded))
        stretch = np.take(recorded, range(start, start + rounds), mode="wrap")
        independent = random.choice(recorded, rounds)
        log_ratios = stretch if random.integers(2) else independent
        # Which side is called a is a toss of a coin.
        verdicts += judge_log_ratios(log_ratios * random.choice([-1, 1])).verdict != "cannot tell"
    assert verdicts <= 50 * REPEATS // 1000


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("looks", [2, 5])
def test_looking_often_makes_verdicts_no_less_sure(work: str, looks: int) -> None:
    recorded = recorded_log_ratios(work)
    random = np.random.default_rng(looks)
    verdicts = 0
    for _ in range(REPEATS):
        log_ratios = random.choice(recorded, 50)
        verdicts += any(
            judge_log_ratios(log_ratios[: 50 * look // looks], risk=spend_risk(look, looks)).verdict
            != "cannot tell"
            for look in range(1, looks + 1)
        )
    assert verdicts <= 50 * REPEATS // 1000


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize(("planted", "verdict"), [(1.03, "better"), (1 / 1.03, "worse")])
def test_a_planted_difference_of_three_percent_is_told(work: str, planted: float, verdict: str) -> None:
    recorded = recorded_log_ratios(work)
    random = np.random.default_rng(3)
    told = sum(
        judge_log_ratios(random.choice(recorded, 1000) + math.log(planted)).verdict == verdict
        for _ in range(20)
    )
    assert told >= 19


@pytest.mark.parametrize("work", WORKS)
def test_the_rounds_that_would_tell_are_about_right(work: str) -> None:
    """As many rounds as were foreseen from 40 (the median of what was) tell in most repeats."""
    recorded = recorded_log_ratios(work)
    random = np.random.default_rng(4)
    planted = math.log(1.05)
    foreseen = [judge_log_ratios(random.choice(recorded, 40) + planted).rounds_to_tell for _ in range(100)]
    rounds = int(np.median([number for number in foreseen if number is not None]))

    def count_told(pairs: int) -> int:
        drawn = (random.choice(recorded, pairs) + planted for _ in range(100))
        return sum(judge_log_ratios(log_ratios).verdict == "better" for log_ratios in drawn)

    assert count_told(rounds) >= 50
    assert count_told(rounds // 4) < 50


def test_the_risk_of_all_looks_is_the_risk() -> None:
    for looks in (1, 2, 7):
        shares = [spend_risk(look, looks) for look in range(1, looks + 1)]
        assert sum(shares) == pytest.approx(VERDICT_RISK)
        assert min(shares) > 0
    with pytest.raises(ValueError, match="look 3 is not within 1 to 2"):
        spend_risk(3, 2)


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (Ratio(1.1, 1.05, 1.2, 1.02, 1.3, 10, "better", None), "better"),
        (Ratio(1.1, 1.05, 1.2, 0.9, 1.3, 10, "cannot tell", 30), "cannot tell: about 30 rounds would"),
        (Ratio(1.0, 0.9, 1.2, 0.8, 1.3, 10, "cannot tell", None), "the difference seen is under 1 %"),
    ],
)
def test_verdicts_in_plain_words(ratio: Ratio, words: str) -> None:
    assert words in describe_verdict(ratio)
