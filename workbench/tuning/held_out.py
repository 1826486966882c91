"""The winner against the defaults on what the search has not seen: the only figures that count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from workbench.experiments import ALL_WORKS, Comparison, Finding, describe_verdict, format_ratio
from workbench.tuning.plan import StudyPlan


@dataclass(frozen=True)
class HeldOut:
    """What came of it.

    Parameters
    ----------
    comparison : Comparison
        The winners against the defaults; variants are named as the candidates.
    findings : tuple of Finding
        What decides: each winner in each objective, over all works together.
    seen : tuple of str
        Works that the study has seen as they are, since they are the same whatever the seed.
    """

    comparison: Comparison
    findings: tuple[Finding, ...]
    seen: tuple[str, ...]

    @classmethod
    def of(cls, study_plan: StudyPlan, comparison: Comparison) -> Self:
        """Take what decides out of a comparison."""
        works = comparison.plan.works
        decisive = ALL_WORKS if len(works) > 1 else works[0].name
        findings = tuple(
            finding
            for finding in comparison.findings
            if finding.work == decisive and finding.measure in study_plan.measures
        )
        return cls(comparison, findings, tuple(study_plan.list_seen()))

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
            f"held out: {one.variant}: {one.measure.name} {format_ratio(one.ratio)} of the defaults', "
            f"{describe_verdict(one.ratio)}"
            for one in self.findings
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
