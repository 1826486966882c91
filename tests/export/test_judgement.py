"""Claims held against what is found: every outcome, for gains, costs and claims of no difference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from workbench.experiments import MEASURES, PEAK_RESIDENT, THROUGHPUT, Finding, Measure
from workbench.experiments.inference import judge_log_ratios
from workbench.export.evidence import Claim
from workbench.export.verification import judge_claim

ROUNDS = 20


def find(ratio: float, spread: float, measure: Measure = THROUGHPUT, rounds: int = ROUNDS) -> Finding:
    """A finding whose log-ratios lie evenly around a ratio."""
    log_ratios = math.log(ratio) + np.linspace(-spread, spread, rounds)
    judged = judge_log_ratios(log_ratios, is_higher_better=measure.is_higher_better)
    return Finding("larson", "tuned", "defaults", measure, judged, 1.0, 1.0, 0)


def claim(ratio: float, spread: float = 0.01, measure: Measure = THROUGHPUT) -> Claim:
    """What a comparison with this outcome would have claimed."""
    ratios = find(ratio, spread, measure).ratio
    return Claim(
        work="larson",
        measure=measure.name,
        unit=measure.unit,
        is_higher_better=measure.is_higher_better,
        value=1.0,
        baseline_value=1.0,
        ratio=ratios.estimate,
        low=ratios.low,
        high=ratios.high,
        verdict_low=ratios.verdict_low,
        verdict_high=ratios.verdict_high,
        pairs=ratios.pairs,
        failed=0,
        verdict="the same" if ratios.is_same else ratios.verdict,
    )


CASES: list[tuple[str, Claim, Finding, str, str]] = [
    ("as claimed", claim(1.05), find(1.05, 0.01), "confirmed", ""),
    ("more than claimed", claim(1.05), find(1.3, 0.01), "confirmed", ""),
    ("less than claimed", claim(1.05), find(1.02, 0.002), "weaker", "less than was claimed"),
    ("hardly anything", claim(1.2), find(1.01, 0.02), "weaker", "if anything"),
    ("nothing", claim(1.05), find(1.0, 0.005), "refuted", "the same within 1 % here"),
    ("the contrary", claim(1.05), find(0.9, 0.01), "refuted", "worse here"),
    ("noise", claim(1.05), find(1.03, 0.3), "cannot tell", "more rounds would tell"),
    ("few rounds", claim(1.05), find(1.05, 0.001, rounds=3), "cannot tell", "about 5 more rounds"),
    ("memory as claimed", claim(0.8, measure=PEAK_RESIDENT), find(0.8, 0.01, PEAK_RESIDENT), "confirmed", ""),
    ("memory, less", claim(0.8, measure=PEAK_RESIDENT), find(0.9, 0.01, PEAK_RESIDENT), "weaker", "less"),
    (
        "memory, contrary",
        claim(0.8, measure=PEAK_RESIDENT),
        find(1.1, 0.01, PEAK_RESIDENT),
        "refuted",
        "worse",
    ),
    ("cost as admitted", claim(0.9), find(0.9, 0.01), "confirmed", ""),
    ("cost above", claim(0.9), find(0.5, 0.01), "refuted", "it costs more than was claimed"),
    ("cost below", claim(0.9), find(0.97, 0.005), "confirmed", ""),
    ("no cost", claim(0.9), find(1.0, 0.002), "confirmed", "it costs nothing here"),
    ("a gain for a cost", claim(0.9), find(1.2, 0.01), "confirmed", "better here"),
    ("cost in noise", claim(0.9), find(0.9, 0.9), "cannot tell", "more rounds would tell"),
    (
        "memory cost above",
        claim(1.1, measure=PEAK_RESIDENT),
        find(1.5, 0.01, PEAK_RESIDENT),
        "refuted",
        "more",
    ),
    ("the same", claim(1.0, 0.002), find(1.0, 0.004), "confirmed", ""),
    ("not the same: worse", claim(1.0, 0.002), find(0.9, 0.004), "refuted", "costs more"),
    ("not the same: better", claim(1.0, 0.002), find(1.1, 0.004), "confirmed", "better here"),
    ("the same in noise", claim(1.0, 0.002), find(1.0, 0.5), "cannot tell", "more rounds would tell"),
]


@pytest.mark.parametrize(
    ("name", "claimed", "found", "status", "words"), CASES, ids=[one[0] for one in CASES]
)
def test_outcome(name: str, claimed: Claim, found: Finding, status: str, words: str) -> None:
    judgement = judge_claim(claimed, found)
    assert judgement.status == status
    assert words in judgement.words
    assert (judgement.more_rounds is not None) == ("more rounds" in judgement.words)


def test_nothing_measured_tells_nothing() -> None:
    assert judge_claim(claim(1.05), None).words == "nothing was measured"
    empty = judge_log_ratios(np.array([]))
    failed = Finding("larson", "tuned", "defaults", THROUGHPUT, empty, math.nan, math.nan, 8)
    judgement = judge_claim(claim(1.05), failed)
    assert (judgement.status, judgement.words) == ("cannot tell", "all of 8 rounds failed")


@pytest.mark.parametrize("spread", [0.05, 0.1, 0.2, 0.4])
def test_so_many_more_rounds_would_tell(spread: float) -> None:
    """What is foreseen is enough, and no multiple of what is needed, if the noise stays as it is."""
    open_ended = judge_claim(claim(1.05), find(1.04, spread))
    if open_ended.status != "cannot tell":
        assert spread == 0.05
        return
    assert open_ended.more_rounds is not None
    enough = find(1.04, spread, rounds=min(ROUNDS + 2 * open_ended.more_rounds, 1500))
    assert judge_claim(claim(1.05), enough).status != "cannot tell"
    few = find(1.04, spread, rounds=ROUNDS + open_ended.more_rounds // 4)
    assert judge_claim(claim(1.05), few).status == "cannot tell"


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
@pytest.mark.parametrize("ratio", [0.5, 0.98, 1.0, 1.02, 2.0])
def test_a_claim_confirms_itself(measure: Any, ratio: float) -> None:
    same = find(ratio, 0.004, measure)
    assert judge_claim(claim(ratio, 0.004, measure), same).status == "confirmed"
