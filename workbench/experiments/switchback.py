"""What blocks of time under two settings say: the design of a live experiment, and what may be concluded.

Two settings take turns on one running process, in blocks of time. Blocks come in pairs, and a coin decides
which of the two settings has the first block of a pair. So 2 ** pairs assignments could have been drawn,
all with the same probability.

The effect of a pair is the log-ratio of B to A in it. Noise makes the two blocks of a pair differ, too; had
the coin fallen the other way, this difference would have had the other sign. So if B acts on every block by
the same factor, the effects lie symmetrically around its logarithm over all assignments, however the noise
depends on time. Wilcoxon's signed-rank test with its exact distribution is the randomization test over these
assignments, and its inversion is the interval (Rosenbaum, Observational Studies, 2nd ed., section 2.4).

What a process does slowly by itself (a day's rhythm, a drift) is taken off before: the level of the pairs
before and after tells how much a block would differ from the next one. Every pair has both settings, so this
figure does not depend on the coins, and the test stays exact.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import stats

from workbench.errors import OutOfRange, WrongPlan
from workbench.experiments.inference import (
    MARGIN,
    VERDICT_RISK,
    FloatArray,
    Ratio,
    judge_log_ratios,
    least_pairs,
    spend_risk,
)

Arm = Literal["A", "B"]

#: A verdict is void if the block before has an effect, by a test with this false positive rate.
CARRY_OVER_RISK = 0.01
#: The effect whose time a pilot announces, and the chance to tell it within that time.
FORESEEN_EFFECT, FORESEEN_CHANCE = 0.02, 0.8
MOST_BLOCKS = 10_000
_DRAWS = 1999
_DRAWN_SEED = 1
# A pilot is short, so its noise is taken at this upper confidence bound.
_NOISE_CONFIDENCE = 0.9
# Wilcoxon's test needs more pairs than the mean would, by this factor, if the noise is normal.
_EFFICIENCY = 3 / math.pi
_LEAST_PILOT_PAIRS = 4
# Fewer pairs tell nothing about the block before.
_LEAST_CARRY_PAIRS = 4


class Design(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the two settings alternate.

    Parameters
    ----------
    blocks : int
        An even number: each pair has a block of A and one of B.
    looks : int
        How often, at equal distances, the verdict is looked at.
    seed : int
        Determines the coins.
    """

    blocks: int
    looks: int = 1
    seed: int = 1

    @property
    def pairs(self) -> int:
        """Half of the blocks."""
        return self.blocks // 2

    @property
    def arms(self) -> list[Arm]:
        """Which setting each block has."""
        coins = random.Random(f"switchback {self.seed}")
        return [arm for _ in range(self.pairs) for arm in _order(coins.random() < 0.5)]

    def check(self) -> None:
        """See whether it can lead to a verdict.

        Raises
        ------
        OutOfRange, WrongPlan
            If there are too few blocks for the confidence of a verdict, or far too many.
        """
        if not 1 <= self.looks <= max(1, self.pairs):
            raise OutOfRange(f"looks: {self.looks} is not within 1 to the {self.pairs} pairs of blocks")
        least = 2 * least_pairs(spend_risk(self.looks, self.looks))
        if self.blocks < least:
            with_looks = f" and {self.looks} looks" if self.looks > 1 else ""
            raise WrongPlan(
                f"blocks: with {self.blocks} no verdict of {1 - VERDICT_RISK:.0%} confidence is possible"
                f"{with_looks}; give at least {least}"
            )
        if self.blocks % 2 or self.blocks > MOST_BLOCKS:
            raise OutOfRange(f"blocks: {self.blocks} is not an even number within {least} to {MOST_BLOCKS}")

    def list_looks(self) -> list[int]:
        """After how many pairs it is looked at; the last is the end."""
        return [-(-self.pairs * look // self.looks) for look in range(1, self.looks + 1)]

    def find_risk(self, pairs: int) -> float | None:
        """Risk of a wrong verdict after so many pairs; None where nobody is to look."""
        looks = self.list_looks()
        return spend_risk(looks.index(pairs) + 1, self.looks) if pairs in looks else None


def _order(starts_with_b: bool) -> tuple[Arm, Arm]:
    return ("B", "A") if starts_with_b else ("A", "B")


@dataclass(frozen=True)
class Effect:
    """What B does to one figure.

    Parameters
    ----------
    ratio : Ratio
        B divided by A.
    carry_over : float
        p-value of "the block before has no effect"; 1 where too few pairs can tell.
    never_returns : bool
        Whether the figure only grew, through blocks of both settings: then no block can be compared with an
        earlier one.
    """

    ratio: Ratio
    carry_over: float = 1.0
    never_returns: bool = False

    @property
    def has_carry_over(self) -> bool:
        """Whether the block before has an effect, which voids the verdict."""
        return self.carry_over < CARRY_OVER_RISK

    @property
    def is_void(self) -> bool:
        """Whether no verdict can stand."""
        return self.has_carry_over or self.never_returns

    @property
    def is_told(self) -> bool:
        """Whether a verdict stands."""
        return self.ratio.verdict != "cannot tell" and not self.is_void

    def describe(self) -> str:
        """The verdict in plain words."""
        ratio = self.ratio
        if ratio.pairs == 0:
            return "cannot tell: nothing was measured"
        if self.never_returns:
            return "not judged: it only grew and did not come back under A; compare fresh processes instead"
        if self.has_carry_over:
            return "void: the block before has an effect; make the wash-out longer"
        if ratio.verdict != "cannot tell":
            return ratio.verdict
        if ratio.is_same:
            return "the same within 1 %"
        if ratio.rounds_to_tell is None:
            return "cannot tell: the difference seen is under 1 %"
        return f"cannot tell: about {2 * ratio.rounds_to_tell} blocks would"


def judge_blocks(
    levels: Sequence[float] | FloatArray,
    arms: Sequence[Arm],
    *,
    is_higher_better: bool = True,
    is_memory: bool = False,
    risk: float | None = VERDICT_RISK,
) -> Effect:
    """Say what B does to a figure.

    Parameters
    ----------
    levels : array, shape (blocks,)
        The figure in each block, without its wash-out; NaN where it was not measured. A pair with a value
        that is not positive is left out, and so is half a pair at the end.
    arms : sequence of {"A", "B"}
        The setting of each block.
    is_higher_better : bool
        What "better" means.
    is_memory : bool
        Whether it may be that what grew never returns.
    risk : float or None
        False positive rate of a verdict: what `Design.find_risk` gives. None: no verdict is due yet.
    """
    logs = _take_logs(levels, arms)
    effects, signs = _pair_effects(logs, arms[: len(logs)])
    ratio = judge_log_ratios(effects, is_higher_better=is_higher_better, risk=risk)
    return Effect(ratio, _test_carry_over(effects, signs, ratio), is_memory and _only_grew(logs))


def bound_gain(
    levels: Sequence[float] | FloatArray, arms: Sequence[Arm], risk: float, *, is_higher_better: bool = True
) -> float:
    """The good end of the interval of this risk: B may improve the figure by this factor at most."""
    logs = _take_logs(levels, arms)
    effects, _ = _pair_effects(logs, arms[: len(logs)])
    return judge_log_ratios(effects if is_higher_better else -effects, risk=risk).verdict_high


def _take_logs(levels: Sequence[float] | FloatArray, arms: Sequence[Arm]) -> FloatArray:
    """Logarithms of the levels of whole pairs; NaN where there is none."""
    whole = min(len(levels), len(arms)) // 2 * 2
    with np.errstate(divide="ignore", invalid="ignore"):
        logs: FloatArray = np.log(np.asarray(levels[:whole], dtype=float))
    logs[~np.isfinite(logs)] = np.nan
    return logs


def _pair_effects(logs: FloatArray, arms: Sequence[Arm]) -> tuple[FloatArray, FloatArray]:
    """Log-ratios of B to A in each pair, without what the level does by itself; and 1 where A comes first."""
    pairs = logs.reshape(-1, 2)
    signs = np.array([1.0 if first == "A" else -1.0 for first in arms[::2]])
    # Slope of the level, a block; the level of a pair does not depend on its order.
    drift = np.gradient(pairs.mean(axis=1)) / 2 if len(pairs) > 1 else np.zeros(len(pairs))
    return signs * (pairs[:, 1] - pairs[:, 0] - np.nan_to_num(drift)), signs


def _test_carry_over(effects: FloatArray, signs: FloatArray, ratio: Ratio) -> float:
    """p-value of no effect of the block before.

    The first block of a pair either repeats the setting of the block before or changes it. What the block
    before leaves behind shows as a difference between these two kinds of pairs. Other coins are drawn to
    see how large this difference is without a cause.
    """
    kept = np.isfinite(effects) & np.append(False, np.isfinite(effects[:-1]))
    if kept.sum() < _LEAST_CARRY_PAIRS:
        return 1.0
    places = np.flatnonzero(kept)
    noise = (signs * (effects - math.log(ratio.estimate)))[places]
    # Coins turn signs, not sizes: one order serves all draws, and a rank needs only sums along it.
    places, noise = places[order := np.argsort(np.abs(noise))], noise[order]
    smaller, up_to = (np.searchsorted(np.abs(noise), np.abs(noise), side) for side in ("left", "right"))

    def differ(coins: npt.NDArray[np.int8]) -> FloatArray:
        """Difference of the mean ranks of the two kinds; a row a draw."""
        # A pair that begins as the one before ended has the opposite order.
        repeats = coins[:, places] != coins[:, places - 1]
        turned = coins[:, places] * np.sign(noise).astype(np.int8)
        sums = np.cumsum(np.pad(turned, ((0, 0), (1, 0))), axis=1, dtype=np.int32)
        # Four times a rank's distance from the middle.
        ranks = turned * (smaller + up_to) + sums[:, smaller] + sums[:, up_to] - 2 * sums[:, -1:]
        count = repeats.sum(axis=1)
        both = np.maximum(count * (len(places) - count), 1)
        difference: FloatArray = np.abs((ranks * repeats).sum(axis=1)) / 4 / np.sqrt(both / len(places))
        return difference

    drawn = np.random.default_rng(_DRAWN_SEED).integers(0, 2, (_DRAWS, len(signs)), np.int32)
    seen = differ(signs.astype(np.int8)[None, :])[0]
    return float((1 + np.sum(differ((2 * drawn - 1).astype(np.int8)) >= seen - 1e-9)) / (1 + _DRAWS))


def _only_grew(logs: FloatArray) -> bool:
    """Whether the level rose by more than a verdict needs and never came back by a third of that."""
    kept = logs[np.isfinite(logs)]
    if len(kept) < 4:
        return False
    quarter = max(1, len(kept) // 4)
    rise = float(np.mean(kept[-quarter:]) - np.mean(kept[:quarter]))
    fall = float(np.max(np.maximum.accumulate(kept) - kept))
    return rise > 2 * MARGIN and fall < rise / 3


@dataclass(frozen=True)
class Foresight:
    """How long it takes to tell an effect, as a pilot of A foresees it.

    Parameters
    ----------
    block_s : float
        Length of a block that is measured, without its wash-out.
    wash_out_s : float
    blocks : int
    noise : float
        Standard deviation of the log-ratio of two neighbouring blocks.
    """

    block_s: float
    wash_out_s: float
    blocks: int
    noise: float

    @property
    def total_s(self) -> float:
        """Length of the experiment."""
        return self.blocks * (self.block_s + self.wash_out_s)


def foresee(
    values: Sequence[float] | FloatArray,
    period_s: float,
    wash_out_s: float,
    block_s: Iterable[float],
    *,
    looks: int = 1,
    effect: float = FORESEEN_EFFECT,
) -> list[Foresight]:
    """Say how many blocks tell an effect, for each length of a block of which the pilot has enough.

    Parameters
    ----------
    values : array, shape (samples,)
        A figure under A all the time, at equal distances.
    period_s : float
        Distance of the samples.
    wash_out_s : float
    block_s : iterable of float
        Lengths of a block, without its wash-out.
    looks : int
    effect : float
        Relative; more than the margin of a verdict.

    Returns
    -------
    list of Foresight
        The shortest experiment first; empty if the pilot is too short for all lengths.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        given = np.asarray(values, dtype=float)
    found = []
    for length_s in block_s:
        kept, skipped = max(1, round(length_s / period_s)), round(wash_out_s / period_s)
        noise = _measure_noise(given, kept, skipped)
        if noise is None:
            continue
        room = math.log1p(effect) - math.log1p(MARGIN)
        risk = spend_risk(looks, looks)
        reach = -NormalDist().inv_cdf(risk / 2) + NormalDist().inv_cdf(FORESEEN_CHANCE)
        pairs = max(math.ceil((reach * noise / room) ** 2 / _EFFICIENCY), least_pairs(risk))
        found.append(Foresight(length_s, wash_out_s, 2 * pairs, noise))
    return sorted(found, key=lambda one: one.total_s)


def find_least_pilot(period_s: float, wash_out_s: float, block_s: float) -> float:
    """Seconds of a pilot that foretells something for blocks of a length, with room for late readings."""
    readings = max(1, round(block_s / period_s)) + round(wash_out_s / period_s)
    return math.ceil(1.05 * 2 * _LEAST_PILOT_PAIRS * readings * period_s + period_s)


def _measure_noise(values: FloatArray, kept: int, skipped: int) -> float | None:
    """Standard deviation of the effects of pairs without an effect, at its upper bound; None if too few."""
    span = kept + skipped
    blocks = len(values) // span // 2 * 2
    levels: npt.NDArray[np.float64] = values[: blocks * span].reshape(-1, span)[:, skipped:].mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(levels)
    logs[~np.isfinite(logs)] = np.nan
    if blocks < 2 * _LEAST_PILOT_PAIRS:
        return None
    effects, _ = _pair_effects(logs, ["A"] * blocks)
    effects = effects[np.isfinite(effects)]
    if len(effects) < _LEAST_PILOT_PAIRS:
        return None
    bound = stats.chi2.ppf(1 - _NOISE_CONFIDENCE, len(effects))
    return float(np.sqrt(np.sum(effects**2) / bound))
