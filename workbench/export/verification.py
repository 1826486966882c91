"""A claim run again on this machine, with everything named that makes it another one here.

Each claim stands beside what was found: confirmed, weaker, refuted, or not to be told.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from workbench.allocators import get_allocator, spell
from workbench.control import Value
from workbench.display import Displayed
from workbench.errors import MissingAllocator, OutOfRange, UnknownTunable, WorkbenchError
from workbench.experiments import (
    Comparison,
    ComparisonPlan,
    Finding,
    Ratio,
    Work,
    describe_machine,
    describe_software,
    format_ratio,
)
from workbench.experiments.inference import MARGIN, least_pairs
from workbench.export.evidence import Claim, Evidence, list_inputs
from workbench.processes.runs import Run
from workbench.table import Table

Status = Literal["confirmed", "cannot tell", "weaker", "refuted"]
#: From the best to the worst; several claims together are as the worst of them.
STATUSES: tuple[Status, ...] = ("confirmed", "cannot tell", "weaker", "refuted")
_MOST_ROUNDS = 100_000
#: Rounds of a quick verification: little more than the fewest that can tell anything.
QUICK_ROUNDS = 10
Effort = Literal["quick", "full"]


@dataclass(frozen=True)
class Judgement:
    """What came of one claim.

    Parameters
    ----------
    finding : Finding or None
        What was found; None if nothing was measured.
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


@dataclass(frozen=True, repr=False)
class Verification(Displayed):
    """What came of a verification.

    Parameters
    ----------
    comparison : Comparison
        What the rounds that were run here found.
    judgements : tuple of Judgement
        One a claim that has a verdict.
    differences : tuple of str
        What is not as it was when the claim was made.
    """

    evidence: Evidence
    comparison: Comparison
    judgements: tuple[Judgement, ...]
    differences: tuple[str, ...]

    @property
    def status(self) -> Status:
        """The worst of all claims; "cannot tell" if nothing is claimed."""
        return find_worst(self.judgements)

    @property
    def more_rounds(self) -> int | None:
        """So many more would tell the claims that are open; None if nobody knows."""
        wanted = [one.more_rounds for one in self.judgements if one.more_rounds is not None]
        return max(wanted, default=None)

    def to_table(self) -> Table:
        """A row a claim, beside what was found here; what is different here stands below."""
        evidence = self.evidence
        rows = [
            (
                one.claim.work,
                one.claim.measure,
                one.claim.text,
                one.claim.verdict,
                "–" if one.finding is None else format_ratio(one.finding.ratio),
                f"{one.status}: {one.words}" if one.words else one.status,
            )
            for one in self.judgements
        ]
        return Table(
            ("workload", "measure", "claimed ratio, 95 %", "claimed", "here, 95 %", "so it is"),
            rows,
            wrapped=("so it is",),
            dropped=("claimed",),
            caption=f"{evidence.variant} against {evidence.baseline}; claimed {evidence.date} from "
            f"{evidence.rounds} rounds, tried here in {self.comparison.rounds}",
            notes=[f"note: {text}" for text in self.differences],
        )

    def __repr__(self) -> str:
        return f"<Verification of {self.evidence.variant}: {self.status}>"


def find_worst(judgements: Sequence[Judgement]) -> Status:
    """The worst status of all claims; "cannot tell" if nothing is claimed."""
    return max((one.status for one in judgements), key=STATUSES.index, default="cannot tell")


def plan_verification(
    evidence: Evidence,
    effort: Effort = "quick",
    *,
    rounds: int | None = None,
    keeps_seeds: bool = False,
) -> ComparisonPlan:
    """The comparison that tries a claim again.

    Parameters
    ----------
    effort : {"quick", "full"}
        `QUICK_ROUNDS`, or as many rounds as the claim was made with.
    rounds : int, optional
        Another number of rounds.
    keeps_seeds : bool
        Whether the works have the seeds of the claim; by default they have seeds it has not seen, since
        settings that are good for some seeds only are not good.
    """
    plan = evidence.comparison_plan
    if rounds is None:
        rounds = QUICK_ROUNDS if effort == "quick" else max(evidence.rounds, least_pairs())
    works = plan.works
    if not keeps_seeds:
        works = tuple(
            Work(work.name, replace(work.run, seed=_follow(work.run.seed, plan.rounds, rounds)))
            for work in works
        )
    return replace(plan, works=works, rounds=rounds, looks=1, looked=(), seed=plan.seed + 1)


def judge_claims(
    evidence: Evidence, comparison: Comparison, differences: tuple[str, ...] = ()
) -> Verification:
    """Hold every claim against a comparison planned by `plan_verification`."""
    found: Mapping[tuple[str, str], Finding] = {
        (finding.work, finding.measure.name): finding for finding in comparison.findings
    }
    judgements = tuple(
        judge_claim(claim, found.get((claim.work, claim.measure)))
        for claim in evidence.claims
        if claim.verdict != "cannot tell"
    )
    return Verification(evidence, comparison, judgements, differences)


def find_obstacles(evidence: Evidence) -> list[str]:
    """Everything for which a claim cannot be tried here; empty if it can.

    A tunable that no longer exists or takes no such value, a workload, parameter, allocator or program
    that is missing, a dataset that is missing or is another recording.
    """
    plan = evidence.comparison_plan
    found: list[str] = []
    sides = [(one.allocator, one.tunables) for one in plan.variants]
    sides += [(work.run.allocator, work.run.tunables) for work in plan.works]
    for allocator, settings in sides:
        texts = (_refuse_setting(evidence, allocator, *setting) for setting in settings.items())
        found += filter(None, texts)
    has_settings = not found
    refused: dict[str, list[str]] = {}  # by message: the works that it is about
    for work in plan.works:
        wrong_files = _find_wrong_files(work.run, evidence.files)
        found += wrong_files
        for variant in plan.variants:
            run = work.make_run(variant)
            if not has_settings:
                run = replace(run, tunables={})
            try:
                if not wrong_files:
                    run.check()
            except WorkbenchError as error:
                refused.setdefault(str(error), []).append(work.name)
    found += [f"{', '.join(dict.fromkeys(works))}: {message}" for message, works in refused.items()]
    return list(dict.fromkeys(found))


def find_differences(evidence: Evidence) -> list[str]:
    """What is not as it was when the claim was made: machine, builds, defaults, content hashes."""
    here = describe_machine()
    pairs = [
        ("CPU governor", evidence.machine.governor, here.governor),
        ("transparent huge pages", evidence.machine.huge_pages, here.huge_pages),
    ]
    for name, build in evidence.allocators.items():
        try:
            software = describe_software(name)
        except WorkbenchError:
            continue  # an obstacle, told as one
        if name == evidence.allocator:
            pairs += [
                ("workbench", evidence.workbench_version, software.workbench_version),
                ("source revision", evidence.source_revision, software.source_revision),
                ("workload runner", evidence.runner_checksum, software.runner_checksum),
            ]
        pairs += [
            (f"{name}, version", build.version, software.allocator_version),
            (f"{name}, library", build.checksum, software.allocator_checksum),
        ]
    pairs = [(name, _shorten(then), _shorten(now)) for name, then, now in pairs if then != now]
    if evidence.machine.id != here.id:
        pairs.insert(0, ("machine", evidence.machine.description, here.description))
    found = [f"{name}: {then or 'unknown'} then, {now or 'unknown'} here" for name, then, now in pairs]
    return found + _compare_defaults(evidence)


def _shorten(text: str) -> str:
    return text[:12] if re.fullmatch("[0-9a-f]{64}", text) else text


def _compare_defaults(evidence: Evidence) -> list[str]:
    if not evidence.trials:
        return []  # a claim alone: neither defaults nor hashes came with it
    known: Mapping[str, Value] = {}
    with contextlib.suppress(MissingAllocator):
        known = get_allocator(evidence.allocator).defaults
    found = []
    for name, default in evidence.defaults.items():
        if name not in known:
            found.append(f"tunable {name} no longer exists; its default was {spell(default)}")
        elif known[name] != default:
            now = spell(known[name])
            found.append(f"tunable {name}: its default was {spell(default)} and is {now}: another baseline")
    new = [name for name in known if name not in evidence.defaults]
    if new:
        found.append(f"tunables that were not there then: {', '.join(new)}")
    if found:
        return found
    try:
        planned = {cell.run.resolve().id for cell in evidence.comparison_plan.list_cells()}
    except WorkbenchError:
        return []  # an obstacle, told as one
    measured = {run_id for series in evidence.trials for run_id in series.ids}
    # Of more than two variants, copies of one content were numbered otherwise: their ids may differ.
    if not measured & planned:
        return ["content hashes of the runs: others here; a workload has other parameters or defaults now"]
    return []


def _refuse_setting(evidence: Evidence, allocator: str, name: str, value: Value) -> str:
    """Why a setting cannot be used here; empty if it can."""
    try:
        get_allocator(allocator).normalize({name: value})
    except UnknownTunable as error:
        was_there = name in evidence.defaults
        return f"tunable {name} = {spell(value)} no longer exists ({error})" if was_there else str(error)
    except OutOfRange as error:
        return str(error)
    except WorkbenchError as error:
        return f"tunable {name}: {error}"
    return ""


def _find_wrong_files(run: Run, checksums: Mapping[str, str]) -> list[str]:
    found = []
    for name, compute in list_inputs(run).items():
        what = "trace" if name == run.trace else "file"
        try:
            checksum = compute()
        except WorkbenchError as error:
            found.append(str(error))
            continue
        then = checksums.get(name, "")
        if checksum != then:
            found.append(
                f"{what} {name}: it is another one, with checksum {checksum[:12]}… and not {then[:12]}…; "
                "take that of the claim"
            )
    return found


def _follow(seed: int, rounds: int, new_rounds: int) -> int:
    """The first of seeds behind those of the claim; before them where there is no room behind."""
    following = seed + rounds
    return following if following + new_rounds < 2**64 else max(0, seed - new_rounds)


def judge_claim(claim: Claim, finding: Finding | None) -> Judgement:
    """Hold a claim against what was found.

    An improvement is *confirmed* if it is told again and reaches the interval that was claimed; *weaker*
    if it does not reach it; *refuted* if there is none, or the contrary. A cost that was admitted, and
    that nothing changes, is refuted by a cost that lies beyond what was claimed. The claim must have a
    verdict other than "cannot tell".
    """
    if finding is None or finding.ratio.pairs == 0:
        failed = 0 if finding is None else finding.failed
        words = f"all of {failed} rounds failed" if failed else "nothing was measured"
        return Judgement(claim, finding, "cannot tell", words)
    return (_judge_gain if claim.verdict == "better" else _judge_cost)(claim, finding)


def _judge_gain(claim: Claim, finding: Finding) -> Judgement:
    ratio = finding.ratio
    found_high, claimed_low = _gain_bounds(claim, ratio)[1], _gain_bounds(claim, claim)[0]
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
