"""A claim beside what was found when it was tried again: confirmed, weaker, refuted, or not to be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from workbench.experiments import Finding, Ratio
from workbench.experiments.inference import MARGIN, least_pairs
from workbench.export.evidence import Claim

Status = Literal["confirmed", "cannot tell", "weaker", "refuted"]
#: From the best to the worst; several claims together are as the worst of them.
STATUSES: tuple[Status, ...] = ("confirmed", "cannot tell", "weaker", "refuted")
_MOST_ROUNDS = 100_000


@dataclass(frozen=True)
class Judgement:
    """What came of one claim.

    Parameters
    ----------
    claim : Claim
    finding : Finding or None
        What was found; None if nothing was measured.
    status : Status
    words : str
        Why, in a few words; with how many more rounds would tell.
    more_rounds : int or None
        About so many, beyond those that were run, would tell; None if told, or if nobody knows.
    """

    claim: Claim
    finding: Finding | None
    status: Status
    words: str
    more_rounds: int | None = None


def judge_claim(claim: Claim, finding: Finding | None) -> Judgement:
    """Hold a claim against what was found.

    An improvement is *confirmed* if it is told again and reaches the interval that was claimed; *weaker*
    if it does not reach it; *refuted* if there is none, or the contrary. A cost that was admitted, and
    that nothing changes, is refuted by a cost that lies beyond what was claimed.

    Parameters
    ----------
    claim : Claim
        With a verdict other than "cannot tell".
    finding : Finding or None
        What was found now for the same work and measure.
    """
    if finding is None or finding.ratio.pairs == 0:
        failed = 0 if finding is None else finding.failed
        words = f"all of {failed} rounds failed" if failed else "nothing was measured"
        return Judgement(claim, finding, "cannot tell", words)
    if claim.verdict == "better":
        return _judge_gain(claim, finding)
    return _judge_cost(claim, finding)


def _judge_gain(claim: Claim, finding: Finding) -> Judgement:
    ratio = finding.ratio
    _, found_high = _gain_bounds(claim, ratio)
    claimed_low = _gain_bounds(claim, claim)[0]
    if ratio.verdict == "worse":
        return Judgement(claim, finding, "refuted", "it is worse here")
    if ratio.is_same:
        return Judgement(claim, finding, "refuted", "the same within 1 % here")
    if found_high < claimed_low:
        words = "less than was claimed" + ("" if ratio.verdict == "better" else ", if anything")
        return Judgement(claim, finding, "weaker", words)
    if ratio.verdict == "better":
        return Judgement(claim, finding, "confirmed", "")
    return _leave_open(claim, finding, claimed_low)


def _judge_cost(claim: Claim, finding: Finding) -> Judgement:
    """A cost, or that there is none: 'the same' is the claim that there is none above 1 %."""
    ratio = finding.ratio
    found_low, found_high = (-bound for bound in reversed(_gain_bounds(claim, ratio)))
    claimed = (-bound for bound in reversed(_gain_bounds(claim, claim)))
    claimed_high = max(math.log1p(MARGIN), *claimed)
    if found_low > claimed_high:
        return Judgement(claim, finding, "refuted", "it costs more than was claimed")
    if ratio.verdict == "better":
        return Judgement(claim, finding, "confirmed", "better here")
    if claim.verdict == "worse" and (ratio.is_same or found_high <= 0):
        return Judgement(claim, finding, "confirmed", "it costs nothing here")
    if ratio.is_same or found_high <= claimed_high or (claim.verdict == ratio.verdict == "worse"):
        return Judgement(claim, finding, "confirmed", "")
    return _leave_open(claim, finding, -claimed_high)


def _leave_open(claim: Claim, finding: Finding, boundary: float) -> Judgement:
    more = _foresee(claim, finding.ratio, boundary)
    plural = "" if more == 1 else "s"
    words = (
        f"about {more} more round{plural} would tell" if more is not None else "the difference seen is small"
    )
    return Judgement(claim, finding, "cannot tell", words, more)


def _gain_bounds(claim: Claim, interval: Claim | Ratio) -> tuple[float, float]:
    """A 95 % interval as logarithms, turned so that more is better; without ends it is everything."""
    low = math.log(interval.low) if interval.low else -math.inf
    high = math.log(interval.high) if interval.high else math.inf
    return (low, high) if claim.is_higher_better else (-high, -low)


def _foresee(claim: Claim, ratio: Ratio, boundary: float) -> int | None:
    """Rounds beyond those that were run until an interval that narrows with their square root tells."""
    low, high = _gain_bounds(claim, ratio)
    if not math.isfinite(low) or not math.isfinite(high):
        return max(1, least_pairs() - ratio.pairs)
    center = math.log(ratio.estimate) * (1 if claim.is_higher_better else -1)
    margin = math.log1p(MARGIN)
    wide_low, wide_high = math.log(ratio.verdict_low or 1e-300), math.log(ratio.verdict_high)
    half = (wide_high - wide_low) / 2
    # It tells by leaving the margin, or by staying within it, or by falling short of the boundary.
    room = max(abs(abs(center) - margin), abs(boundary - center) if math.isfinite(boundary) else 0.0)
    if room == 0 or not math.isfinite(half):
        return None
    total = math.ceil(ratio.pairs * (half / room) ** 2)
    more = max(total - ratio.pairs, 1)
    return more if more <= _MOST_ROUNDS else None
