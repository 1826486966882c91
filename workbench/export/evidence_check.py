"""Whether the claims of evidence follow from the figures of its runs."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np

from workbench.errors import DamagedEvidence
from workbench.experiments import ALL_WORKS
from workbench.experiments.inference import FloatArray, judge_log_ratios, spend_risk
from workbench.export.evidence import Evidence, describe_ratio, finite_or_none

# Figures are written in full: what differs by more was not computed from them.
_TOLERANCE = 1e-9


def check_figures(evidence: Evidence) -> None:
    """Compute every claim again from the figures of the runs, if there are any.

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
    if not evidence.claims:
        raise DamagedEvidence("evidence.claims: there is none")
    risk = spend_risk(looks.index(evidence.rounds) + 1, plan.looks)
    for claim in evidence.claims if evidence.trials else ():
        works = [work.name for work in plan.works] if claim.work == ALL_WORKS else [claim.work]
        sides = np.array(
            [
                [_list_values(evidence, work, variant, claim.measure) for work in works]
                for variant in (evidence.variant, evidence.baseline)
            ]
        )
        ratio = judge_log_ratios(
            (np.log(sides[0]) - np.log(sides[1])).mean(axis=0),
            is_higher_better=claim.is_higher_better,
            risk=risk,
        )
        right = describe_ratio(ratio)
        if claim.work != ALL_WORKS:
            right["value"], right["baseline_value"] = (_find_median(side) for side in sides)
        for name, value in right.items():
            given = asdict(claim)[name]
            is_right = given == value or (
                isinstance(given, float)
                and isinstance(value, float)
                and math.isclose(given, value, rel_tol=_TOLERANCE)
            )
            if not is_right:
                raise DamagedEvidence(
                    f"the claim about {claim.measure} of {claim.work} does not follow from its runs: "
                    f"{name} {given} stands there, {value} is right"
                )


def _list_values(evidence: Evidence, work: str, variant: str, measure: str) -> FloatArray:
    for series in evidence.trials:
        values = series.values.get(measure, ())
        if (series.work, series.variant) == (work, variant) and len(values) == evidence.rounds:
            # A round without a value, or without a positive one, does not count; as in a comparison.
            return np.array([math.nan if one is None or one <= 0 else one for one in values])
    raise DamagedEvidence(
        f"evidence.trials: {measure} of {variant} in {work} has not {evidence.rounds} rounds"
    )


def _find_median(values: FloatArray) -> float | None:
    kept = values[np.isfinite(values)]
    return finite_or_none(float(np.median(kept))) if len(kept) else None
