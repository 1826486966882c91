"""The evidence for exported settings: what was compared with what, how often, where, and what came of it.

It holds every figure that its intervals were computed from. The proof is to run the claim again
(`workbench.export.verification`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from typing import Any, Self

from msgspec import structs

from workbench.allocators import DEFAULT_ALLOCATOR, get_allocator, has_own_block, spell
from workbench.control import Value
from workbench.datasets import find_trace
from workbench.display import Displayed
from workbench.errors import BadParameter, DamagedEvidence, WorkbenchError, WrongResults, describe_unknown
from workbench.experiments import (
    Comparison,
    ComparisonPlan,
    Machine,
    Ratio,
    Result,
    Variant,
)
from workbench.plain_values import read_value
from workbench.processes.machine import checksum_file, date_now
from workbench.processes.runs import Run
from workbench.table import Table
from workbench.traces.plan import find_plan

#: Version 1 had a checksum, and in comments the whole evidence as compressed JSON; it can still be read.
VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One thing that is claimed: the settings against the baseline, in one measure of one work.

    Parameters
    ----------
    value, baseline_value : float or None
        Medians in the unit; None for the mean of all works.
    ratio, low, high : float or None
        Estimate and 95 % interval; None where there were too few rounds for one.
    verdict_low, verdict_high : float or None
        The wider interval that the verdict is about.
    pairs, failed : int
        Rounds that count, and that do not because a run failed.
    verdict : {"better", "worse", "the same", "cannot tell"}
    """

    work: str
    measure: str
    unit: str
    is_higher_better: bool
    value: float | None = None
    baseline_value: float | None = None
    ratio: float
    low: float | None = None
    high: float | None = None
    verdict_low: float | None = None
    verdict_high: float | None = None
    pairs: int
    failed: int
    verdict: str

    @property
    def text(self) -> str:
        """Write "1.043 (1.031 to 1.055)"."""
        return f"{self.ratio:.3f} ({self.low or 0:.3f} to {self.high or 0:.3f})"


@dataclass(frozen=True)
class Series:
    """The runs of one side in one work, round by round.

    Parameters
    ----------
    ids : tuple of str
        Hashes of the runs' contents.
    values : mapping of str to tuple of (float or None)
        By measure; None where a run failed or has no such value.
    """

    work: str
    variant: str
    samples_latency: bool
    ids: tuple[str, ...]
    seeds: tuple[int, ...]
    values: Mapping[str, tuple[float | None, ...]]


@dataclass(frozen=True)
class AllocatorBuild:
    """An allocator that took part: version, sha256 of its library, and how it was built if it says so."""

    version: str
    checksum: str
    build: str


@dataclass(frozen=True, repr=False)
class Evidence(Displayed):
    """What an exported file claims, and what the claim rests on.

    Made by `from_comparison`; read from a file by `read_evidence`.

    Parameters
    ----------
    version : int
        Version of this form.
    date : str
        UTC, when it was made.
    variant, baseline : str
        Names of the two sides.
    settings : mapping of str to Value
        What the variant sets.
    defaults : mapping of str to Value
        Default of every tunable of the build that was measured.
    plan : mapping
        The comparison as it was declared, of these two sides (`comparison_plan` makes one of it).
    rounds : int
        That were complete.
    files : mapping of str to str
        Checksums of the datasets, traces and input files of the works.
    toml, toml_sha256 : str or None
        Name and hash of the TOML file that holds the whole evidence.
    """

    version: int
    date: str
    variant: str
    baseline: str
    settings: Mapping[str, Value]
    defaults: Mapping[str, Value]
    plan: Mapping[str, Any]
    rounds: int
    claims: tuple[Claim, ...]
    trials: tuple[Series, ...]
    files: Mapping[str, str]
    machine: Machine
    workbench_version: str
    python_version: str
    source_revision: str
    runner_build: str
    runner_checksum: str
    allocators: Mapping[str, AllocatorBuild]
    toml: str | None = field(default=None, compare=False)
    toml_sha256: str | None = field(default=None, compare=False)

    def to_table(self) -> Table:
        """A row a claim."""
        return Table(
            ("workload", "measure", "ratio, 95 % interval", "pairs", "verdict"),
            [(one.work, one.measure, one.text, str(one.pairs), one.verdict) for one in self.claims],
            right=("pairs",),
            caption=f"{self.variant} against {self.baseline}, {self.rounds} rounds, {self.date}",
        )

    def __repr__(self) -> str:
        return f"<Evidence of {len(self.claims)} claims: {self.variant} against {self.baseline}, {self.date}>"

    @classmethod
    def from_comparison(cls, comparison: Comparison, variant: str | None = None) -> Self:
        """Take the evidence for one variant out of a comparison; with several, the variant must be named.

        Raises
        ------
        BadParameter
            If there is no such variant, or it is another allocator's.
        WrongResults
            If the comparison is not at a declared end, or its results are gone.
        """
        plan = comparison.plan
        chosen = choose_variant(plan, variant)
        if not comparison.is_judged:
            raise WrongResults(
                f"{comparison.rounds} of {plan.rounds} rounds are done: there is a verdict, and evidence, "
                "only after the declared ones; run the comparison to its end"
            )
        baseline = plan.variants[0]
        kept = structs.replace(plan, variants=(baseline, chosen))
        found = _find_results(comparison, (baseline.name, chosen.name))
        measured = [result for row in found.values() for result in row]
        allocator = get_allocator(chosen.allocator)
        first = next(result for result in measured if result.run.allocator == allocator.name)
        software = first.software
        return cls(
            version=VERSION,
            date=date_now(),
            variant=chosen.name,
            baseline=baseline.name,
            settings=allocator.normalize(chosen.tunables),
            defaults=allocator.defaults,
            plan=kept.to_dict(),
            rounds=comparison.rounds,
            claims=tuple(
                Claim(
                    work=one.work,
                    measure=one.measure.name,
                    unit=one.measure.unit,
                    is_higher_better=one.measure.is_higher_better,
                    value=finite_or_none(one.value),
                    baseline_value=finite_or_none(one.baseline_value),
                    failed=one.failed,
                    **describe_ratio(one.ratio),
                )
                for one in comparison.findings
                if one.variant == chosen.name and one.ratio.pairs > 0
            ),
            trials=tuple(_gather_series(kept, found)),
            files=checksum_files(kept),
            machine=first.machine,
            workbench_version=software.workbench_version,
            python_version=software.python_version,
            source_revision=software.source_revision,
            runner_build=first.runner_build,
            runner_checksum=software.runner_checksum,
            allocators={
                result.run.allocator: AllocatorBuild(
                    result.software.allocator_version,
                    result.software.allocator_checksum,
                    result.allocator_build,
                )
                for result in measured
            },
        )

    @property
    def allocator(self) -> str:
        """Whose settings they are."""
        plan = self.comparison_plan
        return next((one.allocator for one in plan.variants if one.name == self.variant), DEFAULT_ALLOCATOR)

    @property
    def claims_nothing(self) -> bool:
        """Whether its own rounds could tell nothing, so that nothing can be verified."""
        return all(claim.verdict == "cannot tell" for claim in self.claims)

    @property
    def comparison_plan(self) -> ComparisonPlan:
        """The comparison to run again; DamagedEvidence if the plan cannot be understood."""
        try:
            return ComparisonPlan.from_dict(self.plan)
        except WorkbenchError as error:
            raise DamagedEvidence(f"evidence.plan cannot be understood: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)

    def shorten(self) -> Self:
        """What it takes to run the claim again: no figures of single runs, no defaults."""
        return replace(self, defaults={}, trials=())

    @classmethod
    def from_dict(cls, content: object) -> Self:
        """Make it of what `to_dict` gave; DamagedEvidence with the field that is missing or wrong."""
        if not isinstance(content, Mapping):
            raise DamagedEvidence(f"evidence: {str(content)[:40]!r} is not a table")
        version = content.get("version")
        if version not in (1, VERSION) or isinstance(version, bool):
            raise DamagedEvidence(
                f"evidence.version: {version!r} is not {VERSION}; take the workbench that wrote it"
            )
        given = {name: value for name, value in content.items() if name != "checksum"}
        for name in given.keys() - {entry.name for entry in fields(cls)}:
            raise DamagedEvidence(f"evidence.{name}: there is no such field")
        try:
            return read_value(cls, _fill_gaps(given), "evidence")
        except BadParameter as error:
            raise DamagedEvidence(f"evidence: {error}") from None

    def check_settings(self, values: Mapping[str, Value]) -> None:
        """Compare the settings of a file with those measured; DamagedEvidence names each that differs."""
        if not self._starts_alike(values):
            defaults = self.defaults or get_allocator(self.allocator).defaults
            refuse_other_settings(self.settings, values, defaults)

    def _starts_alike(self, values: Mapping[str, Value]) -> bool:
        """Whether a file gives a start what was measured, by other names: a variable may have two."""
        whose = get_allocator(self.allocator)
        return whose.has_agent and whose.environment_of(values) == whose.environment_of(self.settings)


def refuse_other_settings(
    measured: Mapping[str, Value], values: Mapping[str, Value], defaults: Mapping[str, Value]
) -> None:
    """DamagedEvidence names each setting of a file that is not as it was measured."""
    wrong = [
        f"{name} is {spell(values[name]) if name in values else 'left out'} in the file, "
        f"{spell(value)} in its evidence"
        for name, value in measured.items()
        if values.get(name) != value
    ]
    wrong += [
        f"{name} = {spell(value)} is not in the evidence"
        for name, value in values.items()
        if name not in measured and defaults.get(name) != value
    ]
    if wrong:
        raise DamagedEvidence("the settings are not those that were measured: " + "; ".join(wrong))


def checksum_files(plan: ComparisonPlan) -> dict[str, str]:
    """Checksums of what the works of a plan read: a trace's events, an input file's bytes."""
    return {name: compute() for work in plan.works for name, compute in list_inputs(work.run).items()}


def list_inputs(run: Run) -> dict[str, Callable[[], str]]:
    """What a run reads by its name, each with what computes its checksum."""
    found: dict[str, Callable[[], str]] = {path.name: partial(checksum_file, path) for path in run.inputs}
    if (trace := run.trace) is not None:
        found[trace] = lambda: find_plan(find_trace(trace)).trace_checksum
    return found


def choose_variant(plan: ComparisonPlan, name: str | None) -> Variant:
    """The variant whose settings are exported; BadParameter if it has none, or if it is not clear which."""
    variants = {variant.name: variant for variant in plan.variants[1:]}
    if name is None:
        chosen = [one for one in variants.values() if one.tunables]
        chosen = chosen or [one for one in variants.values() if has_own_block(one.allocator)]
        if len(chosen) != 1:
            raise BadParameter(f"say whose settings: there are {', '.join(variants)}")
        return chosen[0]
    if name not in variants:
        raise BadParameter(describe_unknown("variant", name, variants))
    if not variants[name].tunables and not has_own_block(variants[name].allocator):
        raise BadParameter(f"variant {name} is {variants[name].allocator}, which has no settings to export")
    return variants[name]


def _find_results(
    comparison: Comparison, sides: tuple[str, str]
) -> Mapping[tuple[str, str, bool], list[Result]]:
    """By work, variant and whether single calls are timed; round by round."""
    found: dict[tuple[str, str, bool], list[Result]] = {}
    for cell in comparison.plan.list_cells():
        is_of_this = cell.round < comparison.rounds and cell.variant in sides
        if is_of_this and (result := comparison.results.get(cell.run.resolve().id)) is not None:
            found.setdefault((cell.work, cell.variant, cell.run.samples_latency), []).append(result)
    if not found:
        raise WrongResults(f"{comparison.results.path}: it holds no results of this comparison")
    return found


def _gather_series(plan: ComparisonPlan, found: Mapping[tuple[str, str, bool], list[Result]]) -> list[Series]:
    gathered = []
    for (work, variant, is_latency), row in sorted(found.items()):
        values = {
            measure.name: tuple(finite_or_none(measure.read(result)) for result in row)
            for measure in plan.measures
            if measure.is_latency == is_latency
        }
        known = {name: series for name, series in values.items() if any(one is not None for one in series)}
        ids, seeds = zip(*((result.id, result.run.seed) for result in row), strict=True)
        gathered.append(Series(work, variant, is_latency, ids, seeds, known))
    return gathered


def describe_ratio(ratio: Ratio) -> dict[str, Any]:
    """What a claim says of a ratio, by the claim's fields."""
    has_interval = ratio.low > 0
    return {
        "ratio": ratio.estimate,
        "low": ratio.low if has_interval else None,
        "high": ratio.high if has_interval else None,
        "verdict_low": ratio.verdict_low if ratio.verdict_low > 0 else None,
        "verdict_high": finite_or_none(ratio.verdict_high),
        "pairs": ratio.pairs,
        "verdict": "the same" if ratio.is_same and ratio.verdict == "cannot tell" else ratio.verdict,
    }


def finite_or_none(value: float) -> float | None:
    """A number as evidence holds it: None stands for what is none."""
    return float(value) if math.isfinite(value) else None


def _fill_gaps(content: object) -> object:
    """TOML has no null: in a list, NaN stands for it."""
    if isinstance(content, Mapping):
        return {name: _fill_gaps(item) for name, item in content.items()}
    if isinstance(content, list | tuple):
        return [None if item != item else _fill_gaps(item) for item in content]  # noqa: PLR0124 (NaN)
    return content
