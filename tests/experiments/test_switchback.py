"""Switchback experiments: exact over all assignments, and right about noise, looks, carry-over and memory."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from scripts.simulate_switchback import NOISES, simulate
from workbench.errors import OutOfRange, WrongPlan
from workbench.experiments.switchback import Arm, Design, find_least_pilot, foresee, judge_blocks


def levels_of(noise: np.ndarray, arms: list[Arm], effect: float = 1.0) -> np.ndarray:
    levels: np.ndarray = np.exp(noise) * np.where(np.array(arms) == "B", effect, 1.0)
    return levels


def test_over_all_assignments_the_interval_misses_as_rarely_as_it_promises() -> None:
    # A drift, a burst and a rhythm: the noise is whatever it is, only the coins are random.
    noise = np.array([0.0, 0.1, 0.1, 0.5, 0.6, 0.1, 0.2, 0.2, -0.4, 0.3, 0.3, 0.4, 0.35, 0.5, 0.4, 0.55])
    missed = assignments = 0
    for firsts in itertools.product("AB", repeat=8):
        arms: list[Arm] = [arm for first in firsts for arm in (("A", "B") if first == "A" else ("B", "A"))]
        ratio = judge_blocks(levels_of(noise, arms, 1.2), arms).ratio
        missed += not ratio.low <= 1.2 <= ratio.high
        assignments += 1
    assert assignments == 256
    assert 0 < missed / assignments <= 0.05


def test_the_coins_are_fair_and_every_pair_has_both() -> None:
    firsts = []
    for seed in range(50):
        arms = Design(40, seed=seed).arms
        assert arms == Design(40, seed=seed).arms
        assert all({arms[place], arms[place + 1]} == {"A", "B"} for place in range(0, 40, 2))
        firsts += arms[::2]
    assert 0.45 < firsts.count("A") / len(firsts) < 0.55


@pytest.mark.parametrize("looks", [1, 4])
def test_a_plan_with_too_few_blocks_for_a_verdict_is_refused(looks: int) -> None:
    with pytest.raises(WrongPlan, match=r"no verdict of 99% confidence .*; give at least") as refused:
        Design(6, looks=min(looks, 3)).check()
    least = int(str(refused.value).rpartition(" ")[2])
    Design(least, looks=min(looks, 3)).check()
    # As few as that do reach a verdict, if the effect is large enough.
    design = Design(least, looks=min(looks, 3))
    effect = judge_blocks(
        levels_of(np.zeros(least), design.arms, 1.5), design.arms, risk=design.find_risk(design.pairs)
    )
    assert effect.ratio.verdict == "better"


def test_an_odd_number_of_blocks_and_too_many_looks_are_refused() -> None:
    with pytest.raises(OutOfRange, match="not an even number"):
        Design(21).check()
    with pytest.raises(OutOfRange, match="looks"):
        Design(20, looks=11).check()


def test_looks_spend_the_risk() -> None:
    design = Design(80, looks=4)
    risks = [design.find_risk(pairs) for pairs in design.list_looks()]
    assert sum(risk for risk in risks if risk) == pytest.approx(0.01)
    assert design.find_risk(11) is None


def test_a_block_that_feels_the_one_before_voids_the_verdict() -> None:
    design = Design(60, seed=3)
    arms = np.array(design.arms) == "B"
    before = np.append(False, arms[:-1])
    noise = np.random.default_rng(1).normal(0, 0.005, 60)
    lasting = judge_blocks(np.exp(noise + 0.1 * arms - 0.06 * before), design.arms)
    assert lasting.has_carry_over
    assert not lasting.is_told
    assert "wash-out" in lasting.describe()
    short = judge_blocks(np.exp(noise + 0.1 * arms), design.arms)
    assert short.describe() == "better"


def test_memory_that_never_returns_is_told_and_not_judged() -> None:
    design = Design(40, seed=2)
    is_b = np.array(design.arms) == "B"
    # B needs more, and A does not give it back.
    kept = 1e8 * np.exp(0.02 * np.cumsum(is_b))
    effect = judge_blocks(kept, design.arms, is_higher_better=False, is_memory=True)
    assert effect.never_returns
    assert effect.describe().startswith("not judged: it only grew")
    given_back = judge_blocks(1e8 * (1 + 0.2 * is_b), design.arms, is_higher_better=False, is_memory=True)
    assert given_back.describe() == "worse"


def test_blocks_that_were_not_measured_cost_their_pair_only() -> None:
    design = Design(40)
    levels = levels_of(np.random.default_rng(2).normal(0, 0.002, 40), design.arms, 1.05)
    levels[[6, 7, 20]] = np.nan
    effect = judge_blocks(levels[:39], design.arms)
    assert effect.ratio.pairs == 17
    assert effect.describe() == "better"
    assert judge_blocks([], []).describe() == "cannot tell: nothing was measured"
    assert judge_blocks([0.0] * 20, Design(20).arms).describe() == "cannot tell: nothing was measured"


def test_a_pilot_announces_more_blocks_for_more_noise_and_none_if_it_is_too_short() -> None:
    random = np.random.default_rng(3)
    calm, noisy = (np.exp(random.normal(0, deviation, 600)) for deviation in (0.01, 0.05))
    (few,), (many,) = (foresee(values, 1, 2, [10]) for values in (calm, noisy))
    assert few.blocks < many.blocks
    assert many.total_s == many.blocks * 12
    assert foresee(noisy[:80], 1, 2, [10]) == []
    assert foresee(noisy[: int(find_least_pilot(1, 2, 10))], 1, 2, [10]) != []


def test_simulated_experiments_keep_what_they_promise() -> None:
    # `python -m scripts.simulate_switchback` does a thousand of each.
    tallies = [simulate(noise, 8) for noise in NOISES.values()]
    assert len(tallies) == 5
    assert sum(one.false_verdicts for one in tallies) <= 1
    assert sum(one.false_with_looks for one in tallies) <= 1
    assert sum(one.covered for one in tallies) >= 34
    assert sum(one.told for one in tallies) >= 35
