"""What paired measurements say about a ratio: estimate, intervals, verdict.

The estimate is the Hodges–Lehmann one (the median of all pairwise means of the log-ratios), its interval
the one that belongs to Wilcoxon's signed-rank test, with the test's exact distribution up to
`EXACT_PAIRS` pairs (Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3rd ed., sections 3.2
and 3.3). It asks of the noise only that it strikes both sides of a pair alike, which interleaved runs in
random order see to; outliers of a busy machine do not carry it away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Verdict = Literal["better", "worse", "cannot tell"]

#: A verdict needs an interval of this confidence ...
VERDICT_RISK = 0.01
#: ... that leaves this margin around "the same".
MARGIN = 0.01
#: Of the interval that is shown.
SHOWN_RISK = 0.05
EXACT_PAIRS = 200
_MOST_ROUNDS = 100_000


@dataclass(frozen=True)
class Ratio:
    """One side of paired measurements over the other.

    Parameters
    ----------
    estimate : float
        Median ratio; NaN without pairs.
    low, high : float
        95 % interval; 0 and infinity where there are too few pairs for one.
    verdict_low, verdict_high : float
        The wider interval that the verdict is about.
    pairs : int
    verdict : {"better", "worse", "cannot tell"}
    rounds_to_tell : int or None
        About how many rounds in all would tell; None if told, or if no number would.
    """

    estimate: float
    low: float
    high: float
    verdict_low: float
    verdict_high: float
    pairs: int
    verdict: Verdict
    rounds_to_tell: int | None

    @property
    def is_same(self) -> bool:
        """Whether the wider interval lies within the margin: there is no difference worth a verdict."""
        return self.verdict_low >= 1 / (1 + MARGIN) and self.verdict_high <= 1 + MARGIN


def compare_pairs(
    values: Sequence[float] | FloatArray,
    baseline: Sequence[float] | FloatArray,
    *,
    is_higher_better: bool = True,
    risk: float | None = VERDICT_RISK,
) -> Ratio:
    """Compare paired measurements.

    Parameters
    ----------
    values, baseline : array, shape (pairs,)
        Positive; those of one round at the same place. Pairs with a value that is not are left out.
    is_higher_better : bool
        What "better" means.
    risk : float or None
        False positive rate of a verdict; with interim analyses, what `spend_risk` gives.
        None: no verdict is due yet.
    """
    above, below = np.asarray(values, dtype=float), np.asarray(baseline, dtype=float)
    if above.shape != below.shape:
        raise ValueError(f"{above.size} values cannot be paired with {below.size}")
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratios = np.log(above) - np.log(below)
    return judge_log_ratios(log_ratios, is_higher_better=is_higher_better, risk=risk)


def judge_log_ratios(
    log_ratios: FloatArray, *, is_higher_better: bool = True, risk: float | None = VERDICT_RISK
) -> Ratio:
    """As `compare_pairs`, from log-ratios; those that are not finite are left out."""
    kept = np.sort(log_ratios[np.isfinite(log_ratios)])
    pairs = len(kept)
    if pairs == 0:
        return Ratio(math.nan, 0.0, math.inf, 0.0, math.inf, 0, "cannot tell", None)
    # Means of all pairs, each with itself too; few of their places are asked for.
    walsh = np.concatenate([kept[place:] + kept[place] for place in range(pairs)]) / 2
    shown, due = (_count_outside(pairs, one) for one in (SHOWN_RISK, VERDICT_RISK if risk is None else risk))
    middle = (len(walsh) - 1) // 2, len(walsh) // 2
    places = {place for count in (shown, due) if count for place in (count - 1, len(walsh) - count)}
    walsh.partition([*places, *middle])
    estimate = float(walsh[list(middle)].mean())
    low, high = _bound(walsh, shown)
    verdict_low, verdict_high = _bound(walsh, due)
    verdict: Verdict = "cannot tell"
    margin = math.log1p(MARGIN)
    rounds = None
    if risk is not None:
        if verdict_low > margin or verdict_high < -margin:
            verdict = "better" if (verdict_low > margin) == is_higher_better else "worse"
        else:
            rounds = _foresee_rounds(estimate, (verdict_low, verdict_high), risk, margin, kept)
    return Ratio(
        math.exp(estimate),
        math.exp(low),
        math.exp(high),
        math.exp(verdict_low),
        math.exp(verdict_high),
        pairs,
        verdict,
        rounds,
    )


def spend_risk(look: int, looks: int, risk: float = VERDICT_RISK) -> float:
    """Share of the risk for one of several looks, planned at equal distances.

    The Pocock-like spending function of Lan and DeMets (Biometrika 70, 1983); each look gets what the
    function grows by, and the sum over all looks is the risk, whatever the looks have in common.

    Parameters
    ----------
    look : int
        From 1 on.
    looks : int
        How many were planned.
    """
    if not 1 <= look <= looks:
        raise ValueError(f"look {look} is not within 1 to {looks}")
    before, now = (risk * math.log(1 + (math.e - 1) * each / looks) for each in (look - 1, look))
    return now - before


def find_front(gains: FloatArray) -> npt.NDArray[np.bool_]:
    """Which points are on the Pareto front: no other is better in one gain and at least as good in all.

    Parameters
    ----------
    gains : array, shape (points, gains)
        More is better. A point with NaN is never on the front.
    """
    ours, theirs = gains[:, None, :], gains[None, :, :]
    beats = np.all(theirs >= ours, axis=2) & np.any(theirs > ours, axis=2)
    is_on_front: npt.NDArray[np.bool_] = np.all(np.isfinite(gains), axis=1) & ~np.any(beats, axis=1)
    return is_on_front


def least_pairs(risk: float = VERDICT_RISK) -> int:
    """The fewest pairs that an interval of this risk can be made of."""
    return max(1, math.ceil(1 - math.log2(risk)))


def _bound(walsh: FloatArray, count: int) -> tuple[float, float]:
    if count < 1:
        return -math.inf, math.inf
    return float(walsh[count - 1]), float(walsh[len(walsh) - count])


@cache
def _count_outside(pairs: int, risk: float) -> int:
    """How many of the ordered means lie at or beyond either bound: the largest c with P(W < c) <= risk/2."""
    if pairs <= EXACT_PAIRS:
        below = np.cumsum(_signed_rank_law(pairs))
        return int(np.searchsorted(below, risk / 2, side="right"))
    mean = pairs * (pairs + 1) / 4
    deviation = math.sqrt(pairs * (pairs + 1) * (2 * pairs + 1) / 24)
    return max(0, math.floor(mean + NormalDist().inv_cdf(risk / 2) * deviation))


@cache
def _signed_rank_law(pairs: int) -> FloatArray:
    """Probabilities of the values 0 … n(n+1)/2 of Wilcoxon's statistic under no difference."""
    law = np.zeros(pairs * (pairs + 1) // 2 + 1)
    law[0] = 1.0
    for rank in range(1, pairs + 1):
        law[rank:] += law[:-rank].copy()
        law /= 2
    return law


def _foresee_rounds(
    estimate: float, bounds: tuple[float, float], risk: float, margin: float, log_ratios: FloatArray
) -> int | None:
    """Rounds at which an interval that narrows with their square root would leave the margin."""
    pairs = len(log_ratios)
    room = abs(estimate) - margin
    if room <= 0:
        return None
    half = estimate - bounds[0] if estimate > 0 else bounds[1] - estimate
    if not math.isfinite(half):
        if pairs < 2:
            return least_pairs(risk)
        half = -NormalDist().inv_cdf(risk / 2) * float(np.std(log_ratios, ddof=1)) / math.sqrt(pairs)
    rounds = max(math.ceil(pairs * (half / room) ** 2), pairs + 1, least_pairs(risk))
    return rounds if rounds <= _MOST_ROUNDS else None
