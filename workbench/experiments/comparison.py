"""What interleaved, paired results say: variant against baseline, work by work, measure by measure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

from workbench.display import Displayed
from workbench.errors import BadParameter, MixedResults, describe_unknown
from workbench.experiments.comparison_plan import ComparisonPlan, Variant
from workbench.experiments.execution import Measurer, ResultListener, WarmMemory
from workbench.experiments.inference import (
    FloatArray,
    Ratio,
    compare_pairs,
    judge_log_ratios,
    spend_risk,
)
from workbench.experiments.measurement import measure_run
from workbench.experiments.result import Result
from workbench.experiments.result_set import Results
from workbench.table import Table
from workbench.units import format_rough


@dataclass(frozen=True)
class Measure:
    """Something that is compared: a column of the results.

    Parameters
    ----------
    name : str
        For people.
    column : str
        Field of `Result`, or a name of its `latency_ns`.
    unit : str
    is_higher_better : bool
    is_latency : bool
        Whether it comes from the runs that sample latency.
    """

    name: str
    column: str
    unit: str
    is_higher_better: bool = False
    is_latency: bool = False

    def read(self, result: Result) -> float:
        """Its value in a result; NaN if there is none."""
        if self.is_latency:
            return float(result.latency_ns.get(self.column, np.nan))
        value = getattr(result, self.column)
        return np.nan if value is None else float(value)


#: Operations of all threads in a second.
THROUGHPUT = Measure("throughput", "operations_per_s", "operations/s", is_higher_better=True)
#: The most memory that the process had resident.
PEAK_RESIDENT = Measure("peak resident", "peak_resident_bytes", "bytes")
#: Of commands only; what else runs on the machine lengthens their elapsed time more than this.
PROCESSOR_TIME = Measure("processor time", "processor_s", "s")
#: In the order in which they are told.
MEASURES = (
    THROUGHPUT,
    PROCESSOR_TIME,
    PEAK_RESIDENT,
    Measure("mean resident", "mean_resident_bytes", "bytes"),
    Measure("cached", "mean_cached_bytes", "bytes"),
    Measure("malloc p99", "malloc_p99", "ns", is_latency=True),
    Measure("malloc p99.9", "malloc_p99_9", "ns", is_latency=True),
    Measure("free p99", "free_p99", "ns", is_latency=True),
    Measure("free p99.9", "free_p99_9", "ns", is_latency=True),
)


@dataclass(frozen=True)
class Finding:
    """A variant against the baseline, in one measure of one work.

    Parameters
    ----------
    work : str
        Name, or `ALL_WORKS` for the geometric mean of all.
    variant, baseline : str
    measure : Measure
    ratio : Ratio
        Ratio of the variant to the baseline.
    value, baseline_value : float
        Medians, in the measure's unit; NaN for the mean of all works.
    failed : int
        Rounds that do not count because a run failed.
    """

    work: str
    variant: str
    baseline: str
    measure: Measure
    ratio: Ratio
    value: float
    baseline_value: float
    failed: int


#: The name under which a comparison tells the findings of all works together.
ALL_WORKS = "all of them (geometric mean)"


@dataclass(frozen=True, repr=False)
class Comparison(Displayed):
    """What came of a comparison.

    Parameters
    ----------
    plan : ComparisonPlan
    findings : tuple of Finding
        Work by work, variant by variant, measure by measure.
    rounds : int
        That are complete.
    is_judged : bool
        Whether that is a number at which verdicts were declared; at others there are none.
    failures : mapping of str to int
        Reasons, and how often.
    machine : str
        One line; empty without results.
    is_warm : bool
        Whether as much memory as each run needed was touched before it, the first of a kind aside.
    results : Results
        What it was concluded from.
    """

    plan: ComparisonPlan
    findings: tuple[Finding, ...]
    rounds: int
    is_judged: bool
    failures: Mapping[str, int]
    machine: str
    is_warm: bool
    results: Results = field(compare=False)

    def to_frame(self) -> pd.DataFrame:
        """A row a finding, values in the unit of its column `unit`."""
        import pandas as pd

        return pd.DataFrame(
            {
                "work": finding.work,
                "variant": finding.variant,
                "measure": finding.measure.name,
                "unit": finding.measure.unit,
                "value": finding.value,
                "baseline_value": finding.baseline_value,
                "ratio": finding.ratio.estimate,
                "low": finding.ratio.low,
                "high": finding.ratio.high,
                "pairs": finding.ratio.pairs,
                "verdict": self.describe(finding),
            }
            for finding in self.findings
        )

    def to_table(self) -> Table:
        """A row a finding; names that repeat are left out."""
        baseline = self.plan.variants[0].name
        rows = []
        previous: tuple[str, str] = ("", "")
        for finding in self.findings:
            is_new_work = finding.work != previous[0]
            is_new = is_new_work or finding.variant != previous[1]
            has_medians = finding.work != ALL_WORKS
            medians = [
                format_rough(value, finding.measure.unit) if has_medians else ""
                for value in (finding.value, finding.baseline_value)
            ]
            rows.append(
                (
                    finding.work if is_new_work else "",
                    finding.variant if is_new else "",
                    finding.measure.name,
                    *medians,
                    format_ratio(finding.ratio),
                    self.describe(finding),
                )
            )
            previous = (finding.work, finding.variant)
        median = f"{baseline} (baseline)"
        return Table(
            ("workload", "variant", "measure", "median", median, "ratio, 95 % interval", "verdict"),
            rows,
            right=("median", median),
            wrapped=("verdict",),
            dropped=(median, "median"),
            caption=f"{self.rounds} of {self.plan.rounds} rounds on {self.machine or 'this machine'}; "
            f"baseline {baseline}",
        )

    def __repr__(self) -> str:
        names = ", ".join(variant.name for variant in self.plan.variants[1:])
        throughput = [finding for finding in self.findings if finding.measure is THROUGHPUT]
        told = Counter(finding.ratio.verdict for finding in throughput if finding.work != ALL_WORKS)
        verdicts = ", ".join(f"{count} {verdict}" for verdict, count in told.items())
        return (
            f"<Comparison of {names} with {self.plan.variants[0].name}, "
            f"{self.rounds} of {self.plan.rounds} rounds; throughput: {verdicts or 'not measured'}>"
        )

    def describe(self, finding: Finding) -> str:
        """A finding's verdict in plain words."""
        return describe_verdict(finding.ratio) if self.is_judged else "no verdict before the declared rounds"

    def find(self, work: str, variant: str, measure: Measure = THROUGHPUT) -> Finding:
        """One of the findings.

        Raises
        ------
        KeyError
            If there is none.
        """
        for finding in self.findings:
            if (finding.work, finding.variant, finding.measure) == (work, variant, measure):
                return finding
        raise KeyError((work, variant, measure.name))


def run_comparison(
    plan: ComparisonPlan,
    results: Results,
    on_result: ResultListener | None = None,
    *,
    measure: Measurer | None = None,
) -> Comparison:
    """Run what is missing of a comparison, and conclude.

    An interrupt ends it between two results; `conclude` tells what the results so far say.

    Parameters
    ----------
    plan : ComparisonPlan
    results : Results
        Where they are kept; those that are there already are not run again.
    on_result : callable, optional
        Told of each result, also of those that are there already.
    measure : callable, optional
        Measures a run; `measure_run` unless given.

    Raises
    ------
    WrongPlan, OutOfRange, WrongResults, MixedResults
        If it cannot be run, or not into these results.
    """
    plan.check()
    memory = WarmMemory(results)
    looks = plan.list_looks()
    with results.writing():
        results.declare(plan.to_dict())
        for number in range(plan.rounds):
            for cell in plan.list_round(number):
                result = results.get(cell.run.resolve().id)
                if result is None:
                    result = (measure or measure_run)(cell.run, warm_bytes=memory.choose(cell.run))
                    results.add(result)
                memory.learn(result)
                if on_result is not None:
                    on_result(result)
            if number + 1 in looks and number + 1 < plan.rounds:
                comparison = conclude(plan, results)
                if all(
                    finding.ratio.verdict != "cannot tell"
                    for finding in comparison.findings
                    if finding.measure is THROUGHPUT and finding.work != ALL_WORKS
                ):
                    break
        results.compact()
    return conclude(plan, results)


def conclude(plan: ComparisonPlan, results: Results) -> Comparison:
    """Say what results tell about a plan, as far as they go.

    Raises
    ------
    MixedResults
        If they are of several machines, or of several builds of one allocator.
    """
    found = {
        (cell.work, cell.variant, cell.round, cell.run.samples_latency): result
        for cell in plan.list_cells()
        if (result := results.get(cell.run.resolve().id)) is not None
    }
    _refuse_mixture(list(found.values()))
    complete = sum(
        all(
            (cell.work, cell.variant, number, cell.run.samples_latency) in found
            for cell in plan.list_round(number)
        )
        for number in range(plan.rounds)
    )
    looks = plan.list_looks()
    # Between two looks nobody may judge: who stops when the figures please decides what they say.
    risk = spend_risk(looks.index(complete) + 1, plan.looks) if complete in looks else None
    findings = [
        finding
        for variant in plan.variants[1:]
        for measure in MEASURES
        for finding in _compare_works(plan, found, variant, measure, risk)
    ]
    order = [work.name for work in plan.works] + [ALL_WORKS]
    names = [variant.name for variant in plan.variants]
    findings.sort(key=lambda one: (order.index(one.work), names.index(one.variant)))
    failures = Counter(
        f"{work} under {variant}: {result.status}: {result.reason}"
        for (work, variant, _, _), result in found.items()
        if not result.is_measured
    )
    later = [result for (_, _, number, _), result in found.items() if result.is_measured and number > 0]
    return Comparison(
        plan,
        tuple(findings),
        complete,
        risk is not None,
        dict(failures),
        next((result.machine.description for result in found.values()), ""),
        all(result.was_warm for result in later),
        results,
    )


def describe_verdict(ratio: Ratio) -> str:
    """Word a verdict: "better", "worse", "cannot tell: about 30 rounds would"."""
    if ratio.verdict != "cannot tell":
        return ratio.verdict
    if ratio.pairs == 0:
        return "cannot tell: nothing was measured"
    if ratio.is_same:
        return "the same within 1 %"
    if ratio.rounds_to_tell is None:
        return "cannot tell: the difference seen is under 1 %"
    return f"cannot tell: about {ratio.rounds_to_tell} rounds would"


def format_ratio(ratio: Ratio) -> str:
    """Write "1.043 (1.031 to 1.055)"."""
    if ratio.pairs == 0:
        return "–"
    if ratio.low == 0:
        return f"{ratio.estimate:.3f} (too few rounds)"
    return f"{ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"


def find_measure(name: str) -> Measure:
    """A measure by its name.

    Raises
    ------
    BadParameter
        If there is none of that name.
    """
    known = {measure.name: measure for measure in MEASURES}
    if name not in known:
        raise BadParameter(describe_unknown("measure", name, known))
    return known[name]


def _refuse_mixture(results: Sequence[Result]) -> None:
    machines = {result.machine.id: result.machine.description for result in results}
    if len(machines) > 1:
        raise MixedResults(
            f"results of {len(machines)} machines cannot be compared: {'; '.join(machines.values())}; "
            "run all of them on one"
        )
    builds: dict[str, set[str]] = {}
    for result in results:
        builds.setdefault("the runner", set()).add(result.software.runner_checksum)
        builds.setdefault(result.run.allocator, set()).add(result.software.allocator_checksum)
    for name, checksums in builds.items():
        if len(checksums) > 1:
            raise MixedResults(f"{name} was built anew between the results; start again into another folder")


_Found = Mapping[tuple[str, str, int, bool], Result]


def _compare_works(
    plan: ComparisonPlan, found: _Found, variant: Variant, measure: Measure, risk: float | None
) -> list[Finding]:
    """A variant in one measure: a finding for each work that has it, and one for all works together."""
    baseline = plan.variants[0].name
    findings = []
    log_ratios = []
    for work in plan.works:
        values, failed = _pair(plan, found, work.name, variant.name, measure)
        has_pairs = bool(np.isfinite(values).all(axis=1).any())
        if not has_pairs and measure is not THROUGHPUT:
            continue
        ratio = compare_pairs(
            values[:, 0], values[:, 1], is_higher_better=measure.is_higher_better, risk=risk
        )
        medians = _median(values[:, 0]), _median(values[:, 1])
        findings.append(Finding(work.name, variant.name, baseline, measure, ratio, *medians, failed))
        if has_pairs:
            log_ratios.append(np.log(values[:, 0]) - np.log(values[:, 1]))
    if len(log_ratios) == len(plan.works) > 1:
        # Round by round the mean over all works; rounds in which one of them is missing do not count.
        means = np.mean(log_ratios, axis=0)
        ratio = judge_log_ratios(means, is_higher_better=measure.is_higher_better, risk=risk)
        failed = sum(finding.failed for finding in findings)
        findings.append(Finding(ALL_WORKS, variant.name, baseline, measure, ratio, np.nan, np.nan, failed))
    return findings


def _pair(
    plan: ComparisonPlan, found: _Found, work: str, variant: str, measure: Measure
) -> tuple[FloatArray, int]:
    """Values of a variant and of the baseline, a row a round, NaN for none; and how many rounds failed."""
    values = np.full((plan.rounds, 2), np.nan)
    failed = 0
    for number in range(plan.rounds):
        sides = [
            found.get((work, name, number, measure.is_latency)) for name in (variant, plan.variants[0].name)
        ]
        failed += any(side is not None and not side.is_measured for side in sides)
        values[number] = [
            measure.read(side) if side is not None and side.is_measured else np.nan for side in sides
        ]
    values[values <= 0] = np.nan  # a cache that keeps nothing has no ratio
    return values, failed


def _median(values: FloatArray) -> float:
    kept = values[np.isfinite(values)]
    return float(np.median(kept)) if len(kept) else np.nan
