"""A live experiment run again on a process that somebody names, and whether the results agree."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from msgspec import structs

from workbench.allocators import spell
from workbench.control import ControlBlock
from workbench.display import Displayed
from workbench.errors import BadParameter
from workbench.experiments import (
    Effect,
    Finding,
    JudgedProbe,
    LivePlan,
    LiveResult,
    Measure,
    Ratio,
    format_ratio,
)
from workbench.experiments.inference import Verdict
from workbench.export.evidence import Claim, describe_ratio
from workbench.export.live_evidence import LiveEvidence
from workbench.export.verification import Judgement, Status, find_worst, judge_claim
from workbench.probes import find_command
from workbench.table import Table


@dataclass(frozen=True, repr=False)
class LiveVerification(Displayed):
    """What came of a live experiment that was run again.

    Parameters
    ----------
    evidence : LiveEvidence
    result : LiveResult
        What was found here.
    judgements : tuple of Judgement
        One a probe that has a verdict in the claim.
    """

    evidence: LiveEvidence
    result: LiveResult
    judgements: tuple[Judgement, ...]

    @property
    def status(self) -> Status:
        """The worst of all claims; "cannot tell" if nothing is claimed."""
        return find_worst(self.judgements)

    @property
    def differences(self) -> list[str]:
        """What is not as it was when the claim was made."""
        then, here = self.evidence.result, self.result
        facts = ("machine", "software", "build")
        pairs = [(name, getattr(then, name), getattr(here, name)) for name in facts]
        return [f"{name}: {old} then, {new} here" for name, old, new in pairs if old != new]

    def to_table(self) -> Table:
        """A row a claim, beside what was found here; what is different here stands below."""
        rows = [
            (
                one.claim.measure,
                one.claim.text,
                "–" if one.finding is None else format_ratio(one.finding.ratio),
                f"{one.status}: {one.words}" if one.words else one.status,
            )
            for one in self.judgements
        ]
        blocks = f"{len(self.result.time_blocks)} of {self.result.plan.blocks} blocks"
        told = [text for text in (self.result.ended, self.result.restored) if text]
        return Table(
            ("probe", "claimed B / A, 95 %", "here, 95 %", "so it is"),
            rows,
            wrapped=("so it is",),
            caption=f"{self.result.target}: {self.result.plan.describe()}; "
            f"claimed {self.evidence.result.date}, tried here in {blocks}",
            notes=[*told, *(f"note: {text}" for text in self.differences)],
        )

    def __repr__(self) -> str:
        return f"<LiveVerification on {self.result.target}: {self.status}>"


def plan_repetition(
    evidence: LiveEvidence, block: ControlBlock, *, seed: int, run_commands: bool
) -> LivePlan:
    """The claim's experiment, with its A, B, blocks, probes and guards, and with other coins.

    Raises
    ------
    BadParameter
        If the file holds no blocks, if the process does not have A now, or if a probe is a command and
        nobody said that the file is trusted.
    """
    plan = evidence.result.plan
    if not evidence.has_blocks:
        raise BadParameter(
            f"it holds the verdicts, and no blocks to compare with: verify {evidence.toml or 'the TOML file'}"
        )
    commands = list(filter(None, map(find_command, plan.probes)))
    if commands and not run_commands:
        raise BadParameter(
            f"its probes run `{'`, `'.join(commands)}`; if you trust the file, allow it (--run-commands)"
        )
    now = block.requested().values
    others = [
        f"{name}={spell(value)}"
        for name, value in plan.a.items()
        if name in block.tunables and not block.tunables[name].is_write_only and now[name] != value
    ]
    if others:
        raise BadParameter(
            f"the process would go back to A of the claim, and does not have it: set {' '.join(others)} first"
        )
    return structs.replace(plan, seed=seed)


def judge_repetition(evidence: LiveEvidence, result: LiveResult) -> LiveVerification:
    """Hold every verdict of the claim against an experiment planned by `plan_repetition`."""
    then = evidence.result.effects
    claimed = [(probe, then[probe.name]) for probe in evidence.result.judged]
    found = result.effects
    judgements = [
        _judge(result, probe, effect, found[probe.name])
        for probe, effect in claimed
        if effect.is_told or (effect.ratio.is_same and not effect.is_void)
    ]
    return LiveVerification(evidence, result, tuple(judgements))


def _judge(result: LiveResult, probe: JudgedProbe, claimed: Effect, here: Effect) -> Judgement:
    rises = probe.better != "lower"
    is_higher_better = rises
    if not probe.better:  # the claim is the direction: what it says counts as the improvement
        is_higher_better = claimed.ratio.estimate > 1 if claimed.is_told else here.ratio.estimate < 1
    then, now = (_turn(one.ratio, rises != is_higher_better) for one in (claimed, here))
    claim = Claim(
        work=result.target,
        measure=probe.name,
        unit=probe.unit,
        is_higher_better=is_higher_better,
        failed=0,
        **describe_ratio(then),
    )
    measure = Measure(probe.name, probe.name, probe.unit, is_higher_better)
    finding = Finding(result.target, "B", "A", measure, now, math.nan, math.nan, 0)
    if here.is_void or result.risk is None:
        return Judgement(claim, finding, "cannot tell", result.describe(probe, here))
    judged = judge_claim(claim, finding)
    if judged.more_rounds is not None:
        return replace(judged, words=f"about {2 * judged.more_rounds} more blocks would tell")
    # "It is worse here" says nothing of a figure of which nobody said what is better.
    return judged if probe.better else replace(judged, words="")


def _turn(ratio: Ratio, is_turned: bool) -> Ratio:
    """The same with the other direction as the better one."""
    other: dict[str, Verdict] = {"better": "worse", "worse": "better"}
    return replace(ratio, verdict=other.get(ratio.verdict, ratio.verdict)) if is_turned else ratio
