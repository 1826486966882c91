"""The winner against the defaults on what the search has not seen: the only figures that count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench.experiments import (
    ALL_WORKS,
    Comparison,
    ComparisonPlan,
    Finding,
    Result,
    Results,
    conclude,
    describe_verdict,
    run_comparison,
)
from workbench.experiments.execution import Measurer
from workbench.tuning.plan import StudyPlan


@dataclass(frozen=True)
class HeldOut:
    """What came of it.

    Parameters
    ----------
    comparison : Comparison
        The winners against the defaults; variants are named as the candidates.
    results : Results
        Its runs.
    findings : tuple of Finding
        What decides: each winner in each objective, over all works together.
    seen : tuple of str
        Works among them that the study has seen as they are, since they are the same whatever the seed.
    """

    comparison: Comparison
    results: Results
    findings: tuple[Finding, ...]
    seen: tuple[str, ...]

    @property
    def confirmed(self) -> tuple[str, ...]:
        """Winners that are better in an objective, and worse in none."""
        return tuple(name for name, told in self._verdicts() if "better" in told and "worse" not in told)

    @property
    def traded(self) -> tuple[str, ...]:
        """Winners that are better in one objective and worse in another."""
        return tuple(name for name, told in self._verdicts() if {"better", "worse"} <= told)

    def describe(self) -> list[str]:
        """Plain words, a line a finding, and what it comes to."""
        if not self.comparison.is_judged:
            plan = self.comparison.plan
            return [f"held out: {self.comparison.rounds} of {plan.rounds} rounds are done: no verdict before"]
        lines = [
            f"held out: {finding.variant}: {finding.measure.name} {_format(finding)} of the defaults', "
            f"{describe_verdict(finding.ratio)}"
            for finding in self.findings
        ]
        if self.seen:
            lines.append(
                f"note: {', '.join(self.seen)}: the same whatever the seed, so the study has seen it; name "
                "other workloads or datasets under [held_out]"
            )
        if self.confirmed:
            lines.append(f"better than the defaults on what was held out: {', '.join(self.confirmed)}")
        if self.traded:
            lines.append(f"better in one objective, worse in another: {', '.join(self.traded)}")
        if not self.confirmed and not self.traded:
            lines.append("nothing beats the defaults on what was held out: keep them")
        return lines

    def _verdicts(self) -> list[tuple[str, set[str]]]:
        """What was told of each winner."""
        told: dict[str, set[str]] = {}
        for finding in self.findings:
            told.setdefault(finding.variant, set()).add(finding.ratio.verdict)
        return list(told.items())


def run_held_out(
    study_plan: StudyPlan,
    plan: ComparisonPlan,
    folder: Path,
    on_result: Callable[[Result], object] | None,
    measure: Measurer,
) -> HeldOut:
    """Measure what is missing, and conclude."""
    results = Results.open(folder)
    comparison = run_comparison(plan, results, on_result, measure=measure)
    return _gather(study_plan, comparison, results)


def conclude_held_out(study_plan: StudyPlan, plan: ComparisonPlan, folder: Path) -> HeldOut:
    """Say what is known so far."""
    results = Results.open(folder)
    return _gather(study_plan, conclude(plan, results), results)


def _gather(study_plan: StudyPlan, comparison: Comparison, results: Results) -> HeldOut:
    works = comparison.plan.works
    decisive = ALL_WORKS if len(works) > 1 else works[0].name
    findings = tuple(
        finding
        for finding in comparison.findings
        if finding.work == decisive and finding.measure in study_plan.measures
    )
    return HeldOut(comparison, results, findings, tuple(study_plan.list_seen()))


def _format(finding: Finding) -> str:
    ratio = finding.ratio
    if ratio.low == 0:
        return f"{ratio.estimate:.3f} (too few rounds)"
    return f"{ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
