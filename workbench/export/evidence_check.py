"""Whether evidence fits itself and the file it stands in: its intervals, and what the comments say."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from workbench.errors import DamagedEvidence
from workbench.experiments import ALL_WORKS, Ratio
from workbench.experiments.inference import FloatArray, compare_pairs, judge_log_ratios, spend_risk
from workbench.export.evidence import Claim, Evidence

# Figures are written in full: what differs by more was not computed from them.
_TOLERANCE = 1e-9


def check_figures(evidence: Evidence) -> None:
    """Compute every claim again from the figures of the trials.

    Raises
    ------
    DamagedEvidence
        If a claim does not follow from them, with what does.
    """
    plan = evidence.comparison_plan
    looks = plan.list_looks()
    if evidence.rounds not in looks:
        raise DamagedEvidence(
            f"evidence.rounds: {evidence.rounds} is not a declared end: {', '.join(map(str, looks))}"
        )
    risk = spend_risk(looks.index(evidence.rounds) + 1, plan.looks)
    names = [work.name for work in plan.works]
    if not evidence.claims:
        raise DamagedEvidence("evidence.claims: there is none")
    for claim in evidence.claims:
        if claim.work == ALL_WORKS:
            pairs = [_pair(evidence, name, claim.measure) for name in names]
            with np.errstate(invalid="ignore"):
                means = np.mean([np.log(mine) - np.log(base) for mine, base in pairs], axis=0)
            ratio = judge_log_ratios(means, is_higher_better=claim.is_higher_better, risk=risk)
        else:
            mine, base = _pair(evidence, claim.work, claim.measure)
            ratio = compare_pairs(mine, base, is_higher_better=claim.is_higher_better, risk=risk)
            for name, given, values in (
                ("value", claim.value, mine),
                ("baseline_value", claim.baseline_value, base),
            ):
                kept = values[np.isfinite(values)]
                _compare(claim, name, given, float(np.median(kept)) if len(kept) else math.nan)
        _compare_ratio(claim, ratio)


def check_facts(evidence: Evidence, facts: Mapping[str, str]) -> None:
    """See whether what the comments of a file say is what the evidence says.

    Raises
    ------
    DamagedEvidence
        With the first that is not.
    """
    for name, text in evidence.describe().items():
        # Blanks at the ends of a comment are nobody's.
        if name in facts and facts[name].strip() != text.strip():
            raise DamagedEvidence(f"a comment was changed: '{name}: {facts[name]}' should read '{text}'")


def _pair(evidence: Evidence, work: str, measure: str) -> tuple[FloatArray, FloatArray]:
    sides = []
    for variant in (evidence.variant, evidence.baseline):
        rows = [
            series.values[measure]
            for series in evidence.trials
            if (series.work, series.variant) == (work, variant) and measure in series.values
        ]
        if not rows or len(rows[0]) != evidence.rounds:
            raise DamagedEvidence(
                f"evidence.trials: {measure} of {variant} in {work} has not {evidence.rounds} rounds"
            )
        values = np.array([math.nan if one is None else one for one in rows[0]])
        values[values <= 0] = math.nan  # as in a comparison
        sides.append(values)
    return sides[0], sides[1]


def _compare_ratio(claim: Claim, ratio: Ratio) -> None:
    verdict = "the same" if ratio.is_same and ratio.verdict == "cannot tell" else ratio.verdict
    if claim.pairs != ratio.pairs:
        raise _disagree(claim, "pairs", claim.pairs, ratio.pairs)
    if claim.verdict != verdict:
        raise _disagree(claim, "verdict", claim.verdict, verdict)
    _compare(claim, "ratio", claim.ratio, ratio.estimate)
    for name, given, right in (
        ("low", claim.low, ratio.low),
        ("high", claim.high, ratio.high),
        ("verdict_low", claim.verdict_low, ratio.verdict_low),
        ("verdict_high", claim.verdict_high, ratio.verdict_high),
    ):
        is_open = right == 0 or math.isinf(right) or (name == "high" and ratio.low == 0)
        _compare(claim, name, given, math.nan if is_open else right)


def _compare(claim: Claim, name: str, given: float | None, right: float) -> None:
    if given is None and math.isnan(right):
        return
    if given is None or not math.isclose(given, right, rel_tol=_TOLERANCE):
        raise _disagree(claim, name, given, None if math.isnan(right) else right)


def _disagree(claim: Claim, name: str, given: object, right: object) -> DamagedEvidence:
    return DamagedEvidence(
        f"the claim about {claim.measure} of {claim.work} does not follow from its trials: "
        f"{name} {given} stands there, {right} is right"
    )
