"""A published claim put to the test: one setting against another, in any quantity, beside what was published.

A comparison (`comparison.py`) judges throughput, memory and latency by ratios. A claim may be about anything
the allocator tells of itself, and about shares, whose effect is a difference in points.
"""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from workbench.experiments.comparison import run_comparison
from workbench.experiments.comparison_plan import ComparisonPlan, Variant, Work
from workbench.experiments.execution import ResultListener
from workbench.experiments.inference import FloatArray, judge_log_ratios
from workbench.experiments.result import TrialResult
from workbench.experiments.result_set import Results

if TYPE_CHECKING:
    import pandas as pd

#: Of each of the two shares whose difference is told: together they are 95 %.
_SHARE_CONFIDENCE = 0.975
PERCENT = "%"
POINTS = "points"


@dataclass(frozen=True)
class Quantity:
    """Something that a claim is about.

    Parameters
    ----------
    name, unit : str
    read : callable
        Its value in a result that was measured; NaN if there is none.
    is_higher_better : bool
    is_share : bool
        Whether it is a share, 0 to 1, whose effect is told in points; else in percent of the other side.
    counts_failures : bool
        Whether it is about runs that fail, too: the share of those that come to their end.
    """

    name: str
    unit: str
    read: Callable[[TrialResult], float]
    is_higher_better: bool = False
    is_share: bool = False
    counts_failures: bool = False


@dataclass(frozen=True)
class Expectation:
    """What is said of one quantity.

    Parameters
    ----------
    quantity : Quantity
    published : tuple of (float, float) or None
        The effect that was published, from and to, in percent or points; None: no figure was.
    works : tuple of str
        Which works it is about; empty: all.
    """

    quantity: Quantity
    published: tuple[float, float] | None = None
    works: tuple[str, ...] = ()


@dataclass(frozen=True)
class DesignClaim:
    """A claim, and the experiment that puts it to the test.

    Parameters
    ----------
    name, title : str
    says : str
        The claim in words, as it was published.
    works : tuple of Work
    variants : tuple of Variant
    pairs : tuple of (str, str)
        Which variant against which; what was published is about the first of each.
    expectations : tuple of Expectation
    published : mapping of str to (float, float)
        By variant, where the figures differ from pair to pair: of throughput.
    """

    name: str
    title: str
    says: str
    works: tuple[Work, ...]
    variants: tuple[Variant, ...]
    pairs: tuple[tuple[str, str], ...]
    expectations: tuple[Expectation, ...]
    published: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def plan(self, rounds: int) -> ComparisonPlan:
        """The comparison that it takes."""
        return ComparisonPlan(self.works, self.variants, rounds)

    def list_commands(self, rounds: int) -> list[str]:
        """The same comparisons in a terminal, one a work; the first variant is hakmem as it is."""
        commands = []
        for work in self.works:
            trial = work.trial
            words = ["workbench", "compare", trial.workload]
            words += ["--threads", str(trial.threads)] if trial.threads is not None else []
            words += [
                word
                for name, value in trial.parameters.items()
                for word in ("--param", f"{name}={value:.15g}")
            ]
            for variant in self.variants[1:]:
                values = ",".join(f"{name}={_spell(value)}" for name, value in variant.tunables.items())
                words += ["--variant", f"{variant.name}:{values}"]
            words += ["--rounds", str(rounds)]
            words += (
                ["--operations", str(trial.operations)]
                if trial.operations is not None
                else ["--seconds", f"{trial.seconds:g}"]
            )
            commands.append(shlex.join(words))
        return commands


@dataclass(frozen=True)
class ClaimFinding:
    """What was found of one quantity.

    Parameters
    ----------
    work, variant, against : str
    quantity : Quantity
    value, against_value : float
        Medians (of shares of runs: the shares).
    effect, low, high : float
        Estimate and 95 % interval, in percent or points; infinite where there are too few rounds.
    verdict : {"better", "worse", "the same", "cannot tell"}
        By the 99 % interval, which must leave ±1 % or ±1 point.
    pairs : int
    published : tuple of (float, float) or None
    """

    work: str
    variant: str
    against: str
    quantity: Quantity
    value: float
    against_value: float
    effect: float
    low: float
    high: float
    verdict: str
    pairs: int
    published: tuple[float, float] | None

    @property
    def effect_unit(self) -> str:
        """Percent of the other side, or points."""
        return POINTS if self.quantity.is_share else PERCENT

    def describe(self) -> str:
        """What that says of the claim, in a few words."""
        if self.published is None or self.pairs == 0:
            return self.verdict
        # Turned so that what was published is above zero.
        sign = 1.0 if sum(self.published) > 0 else -1.0
        low, high = sorted(sign * bound for bound in self.published)
        found_low, found_high = sorted((sign * self.low, sign * self.high))
        is_told = self.verdict in ("better", "worse")
        if is_told and sign * self.effect < 0:
            return f"the contrary: {self.verdict}"
        if found_high < low:
            if self.verdict == "the same":
                return "not so: the same"
            return "less than published" if is_told else "less than published, if anything"
        if self.verdict == "cannot tell":
            return self.verdict
        return "more than published" if found_low > high else "as published"


@dataclass(frozen=True)
class ClaimTest:
    """What came of putting a claim to the test.

    Parameters
    ----------
    claim : DesignClaim
    rounds : int
    findings : tuple of ClaimFinding
    failures : mapping of str to int
        Reasons of runs that failed, and how often.
    machine : str
    """

    claim: DesignClaim
    rounds: int
    findings: tuple[ClaimFinding, ...]
    failures: Mapping[str, int]
    machine: str

    def to_frame(self) -> pd.DataFrame:
        """A row a finding, for people: values in the unit beside them, effects with their 95 % intervals."""
        import pandas as pd

        return pd.DataFrame(
            {
                "work": one.work,
                "variant": f"{one.variant} / {one.against}",
                "quantity": one.quantity.name,
                "found": one.describe(),
                "effect": _describe_effect(one),
                "published": _describe_published(one),
                "value": _round(one.value),
                "against": _round(one.against_value),
                "unit": one.quantity.unit,
            }
            for one in self.findings
        )

    def describe(self) -> str:
        """What was found, a line a quantity: "throughput: as published 3, less than published 1"."""
        counts: dict[str, Counter[str]] = {}
        for one in self.findings:
            counts.setdefault(one.quantity.name, Counter())[one.describe()] += 1
        lines = [
            f"{name}: " + ", ".join(f"{words} {count}" for words, count in found.items())
            for name, found in counts.items()
        ]
        lines += [f"failed {count} times: {reason}" for reason, count in self.failures.items()]
        return "\n".join([f"{self.claim.title}, {self.rounds} rounds on {self.machine}", *lines])


def try_claim(
    claim: DesignClaim, rounds: int, results: Results, on_result: ResultListener | None = None
) -> ClaimTest:
    """Run what is missing of a claim's comparison, and say what was found.

    Parameters
    ----------
    claim : DesignClaim
    rounds : int
        8 are the fewest that can tell anything.
    results : Results
    on_result : callable, optional
        Told of each result.

    Raises
    ------
    WorkbenchError
        As `run_comparison`.
    """
    plan = claim.plan(rounds)
    comparison = run_comparison(plan, results, on_result)
    found = {
        (cell.work, cell.variant, cell.round): result
        for cell in plan.list_cells()
        if (result := results.get(cell.trial.id)) is not None
    }
    findings = [
        _find(claim, expectation, found, work.name, pair, rounds)
        for expectation in claim.expectations
        for work in claim.works
        for pair in claim.pairs
        if not expectation.works or work.name in expectation.works
    ]
    # Numbers aside, which differ from run to run, a reason is one.
    failures = Counter(
        f"{work} under {variant}: {result.status}: {re.sub('[0-9]+', '…', result.reason)}"
        for (work, variant, _), result in found.items()
        if not result.is_measured
    )
    return ClaimTest(claim, rounds, tuple(findings), dict(failures), comparison.machine)


_Found = Mapping[tuple[str, str, int], TrialResult]


def _find(
    claim: DesignClaim,
    expectation: Expectation,
    found: _Found,
    work: str,
    pair: tuple[str, str],
    rounds: int,
) -> ClaimFinding:
    quantity = expectation.quantity
    published = expectation.published
    if quantity.name == "throughput":
        published = claim.published.get(pair[0], published)
    sides = [[found.get((work, variant, number)) for number in range(rounds)] for variant in pair]
    if quantity.counts_failures:
        return _find_shares(quantity, work, pair, sides, published)
    values = np.array([[_read(quantity, result) for result in side] for side in sides])
    if not quantity.is_share:
        values[values <= 0] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        effects = values[0] - values[1] if quantity.is_share else np.log(values[0]) - np.log(values[1])
    ratio = judge_log_ratios(effects, is_higher_better=quantity.is_higher_better)
    verdict = "the same" if ratio.is_same and ratio.verdict == "cannot tell" else ratio.verdict
    estimate, low, high = (_scale(quantity, bound) for bound in (ratio.estimate, ratio.low, ratio.high))
    return ClaimFinding(
        work, *pair, quantity, _median(values[0]), _median(values[1]),
        estimate, low, high, verdict, ratio.pairs, published,
    )  # fmt: skip


def _find_shares(
    quantity: Quantity,
    work: str,
    pair: tuple[str, str],
    sides: list[list[TrialResult | None]],
    published: tuple[float, float] | None,
) -> ClaimFinding:
    """Shares of runs that came to their end: exact intervals of both, and the widest difference of these."""
    from scipy import stats  # slow to import, and seldom needed

    bounds = []
    for side in sides:
        known = [result for result in side if result is not None]
        good = sum(result.is_measured for result in known)
        interval = stats.binomtest(good, len(known)).proportion_ci(_SHARE_CONFIDENCE) if known else None
        bounds.append(
            (good / len(known), float(interval.low), float(interval.high)) if interval else (np.nan, 0.0, 1.0)
        )
    (share, low, high), (other, other_low, other_high) = bounds
    difference = (low - other_high, high - other_low)
    verdict = "better" if difference[0] > 0 else "worse" if difference[1] < 0 else "cannot tell"
    return ClaimFinding(
        work, *pair, quantity, share, other, 100 * (share - other), 100 * difference[0], 100 * difference[1],
        verdict, len(sides[0]), published,
    )  # fmt: skip


def _read(quantity: Quantity, result: TrialResult | None) -> float:
    return quantity.read(result) if result is not None and result.is_measured else math.nan


def _scale(quantity: Quantity, bound: float) -> float:
    """A bound of `Ratio`, which is the exponential of what was judged, as percent or points."""
    if not quantity.is_share:
        return 100 * (bound - 1) if bound > 0 else -math.inf
    return 100 * math.log(bound) if bound > 0 else -math.inf


def _median(values: FloatArray) -> float:
    kept = values[np.isfinite(values)]
    return float(np.median(kept)) if len(kept) else math.nan


def _round(value: float) -> str:
    """Three digits that count, as people read them."""
    return f"{value:.3g}" if math.isfinite(value) else "–"


def _spell(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _describe_effect(finding: ClaimFinding) -> str:
    if finding.pairs == 0:
        return "–"
    unit = finding.effect_unit
    if not math.isfinite(finding.low) or not math.isfinite(finding.high):
        return f"{finding.effect:+.1f} {unit} (too few rounds)"
    return f"{finding.effect:+.1f} {unit} ({finding.low:+.1f} to {finding.high:+.1f})"


def _describe_published(finding: ClaimFinding) -> str:
    if finding.published is None:
        return "–"
    low, high = finding.published
    text = f"{low:+.1f}" if low == high else f"{low:+.0f} to {high:+.0f}"
    return f"{text} {finding.effect_unit}"
