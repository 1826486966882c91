"""What interleaved, paired results say: variant against baseline, work by work, measure by measure."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

if TYPE_CHECKING:
    import pandas as pd

from workbench.display import Displayed
from workbench.errors import BadParameter, MixedResults, WrongResults
from workbench.experiments.comparison_plan import Cell, ComparisonPlan
from workbench.experiments.execution import Measurements, Measurer, ResultListener
from workbench.experiments.inference import FloatArray, Ratio, judge_log_ratios
from workbench.experiments.measurement import measure_run
from workbench.experiments.measures import ELAPSED_TIME, THROUGHPUT, Measure
from workbench.experiments.result import Result
from workbench.experiments.result_set import Results
from workbench.table import Table
from workbench.units import format_rough


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
        work = variant = ""
        timed = {one.work for one in self.findings if one.measure is ELAPSED_TIME}
        commands = {work.name for work in self.plan.works if work.run.command}
        for finding in self.findings:
            if finding.measure is THROUGHPUT and finding.work in timed:
                continue
            # Throughput alone stands where nothing was measured; of a command, elapsed time was wanted.
            is_untimed = finding.measure is THROUGHPUT and finding.work in commands
            if finding.work != work:
                variant = ""
            rows.append(
                (
                    finding.work if finding.work != work else "",
                    finding.variant if finding.variant != variant else "",
                    ELAPSED_TIME.name if is_untimed else finding.measure.name,
                    *(
                        "" if finding.work == ALL_WORKS else format_rough(value, finding.measure.unit)
                        for value in (finding.value, finding.baseline_value)
                    ),
                    format_ratio(finding.ratio),
                    self.describe(finding),
                )
            )
            work, variant = finding.work, finding.variant
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
        """One of the findings; KeyError if there is none."""
        for finding in self.findings:
            if (finding.work, finding.variant, finding.measure) == (work, variant, measure):
                return finding
        raise KeyError((work, variant, measure.name))


def run_comparison(
    plan: ComparisonPlan,
    results: Results,
    on_result: ResultListener | None = None,
    *,
    measure: Measurer = measure_run,
    retries_failures: bool = True,
) -> Comparison:
    """Run what is missing of a comparison, and conclude.

    An interrupt ends it between two results; `conclude` tells what the results so far say.

    Parameters
    ----------
    plan : ComparisonPlan
    results : Results
        Where they are kept. What was measured is not run again. If they are of the same plan with fewer
        rounds, it goes on.
    on_result : callable, optional
        Told of each new result, of those of the warm-up too.
    measure : callable, optional
        Measures a run.
    retries_failures : bool
        Whether what failed is run again. If failures are what is compared, they stay.

    Raises
    ------
    WrongPlan, OutOfRange, WrongResults, MixedResults
        If it cannot be run, or not into these results.
    """
    plan.check()
    with results.writing():
        plan = _go_on(plan, results)
        results.declare(plan.to_dict())
        for cell in list_warmup(plan, results):
            result = measure(cell.run)
            if on_result is not None:
                on_result(result)
        measurements = Measurements(results, measure, on_result, retries_failures=retries_failures)
        outputs: dict[str, str] = {}
        for number in range(plan.rounds):
            for cell in plan.list_round(number):
                result = measurements.take(cell.run)
                is_other = plan.compares_output and _is_other_output(outputs, cell, result)
                if plan.ends_on_failure and (is_other or not result.is_measured):
                    results.compact()
                    return conclude(plan, results)
            if not plan.looked and number + 1 in plan.list_looks()[:-1]:
                comparison = conclude(plan, results)
                if all(
                    finding.ratio.verdict != "cannot tell"
                    for finding in comparison.findings
                    if finding.measure is THROUGHPUT and finding.work != ALL_WORKS
                ):
                    break
        results.compact()
    return conclude(plan, results)


def list_warmup(plan: ComparisonPlan, results: Results) -> list[Cell]:
    """Runs that are made first and are not kept; none if there is nothing to measure."""
    if not plan.warmup or all(cell.run.resolve().id in results.ids for cell in plan.list_cells()):
        return []
    return plan.list_round(0) * plan.warmup


def _go_on(plan: ComparisonPlan, results: Results) -> ComparisonPlan:
    """The plan, with what is known of when it was looked at, if it is the declared one with more rounds."""
    if not (declared := results.declared):
        return plan
    try:
        before = ComparisonPlan.from_dict(declared)
    except BadParameter:
        return plan  # not a comparison: `declare` says so
    if replace(before, rounds=plan.rounds, looked=()).to_dict() != plan.to_dict():
        return plan
    if plan.rounds == before.rounds:
        return replace(plan, looked=before.looked)
    if plan.rounds < before.rounds:
        raise WrongResults(f"{results.path}: it has {before.rounds} rounds; give as many, or more")
    if any(cell.run.round > cell.round for cell in plan.list_round(0)):  # told apart by the number of rounds
        raise WrongResults(
            f"{results.path}: two variants are the same, so it cannot go on; give another folder"
        )
    complete = conclude(before, results).rounds
    longer = replace(plan, looked=tuple(look for look in before.list_looks() if look <= complete))
    results.declare(longer.to_dict(), replaces=True)
    return longer


_OTHER_OUTPUT = "its output is not that of the first run; if that may be, give --any-output"
# A result by work, variant, round, and whether it samples latency.
_Found = dict[tuple[str, str, int, bool], Result]


def conclude(plan: ComparisonPlan, results: Results) -> Comparison:
    """Say what results tell about a plan, as far as they go.

    Raises
    ------
    MixedResults
        If they are of several machines, or of several builds of one allocator.
    """
    found: _Found = {}
    outputs: dict[str, str] = {}
    complete = 0
    for number in range(plan.rounds):
        cells = plan.list_round(number)
        before = len(found)
        for cell in cells:
            result = results.get(cell.run.resolve().id)
            if result is not None:
                if plan.compares_output and _is_other_output(outputs, cell, result):
                    result = dataclasses.replace(result, status="failed", reason=_OTHER_OUTPUT)
                found[cell.work, cell.variant, number, cell.run.samples_latency] = result
        complete += len(found) == before + len(cells)
    _refuse_mixture(found.values())
    risk = plan.find_risk(complete)
    findings = [
        finding
        for variant in plan.variants[1:]
        for measure in plan.measures
        for finding in _compare_works(plan, found, variant.name, measure, risk)
    ]
    order = [work.name for work in plan.works] + [ALL_WORKS]
    names = [variant.name for variant in plan.variants]
    findings.sort(key=lambda one: (order.index(one.work), names.index(one.variant)))
    failures = Counter(
        f"{work} under {variant}: {result.status}: {result.reason}"
        for (work, variant, _, _), result in found.items()
        if not result.is_measured
    )
    return Comparison(
        plan,
        tuple(findings),
        complete,
        risk is not None,
        dict(failures),
        next((result.machine.description for result in found.values()), ""),
        all(one.was_warm for (_, _, number, _), one in found.items() if one.is_measured and number > 0),
        results,
    )


def _is_other_output(outputs: dict[str, str], cell: Cell, result: Result) -> bool:
    """Whether a command wrote something else than the first run of its work, which `outputs` remembers."""
    if not cell.run.command or not result.is_measured:
        return False
    return outputs.setdefault(cell.work, result.checksum) != result.checksum


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


def _refuse_mixture(results: Iterable[Result]) -> None:
    machines: dict[str, str] = {}
    builds: dict[str, set[str]] = defaultdict(set)
    for result in results:
        machines[result.machine.id] = result.machine.description
        builds["the runner"].add(result.software.runner_checksum)
        builds[result.run.allocator].add(result.software.allocator_checksum)
    if len(machines) > 1:
        raise MixedResults(
            f"results of {len(machines)} machines cannot be compared: {'; '.join(machines.values())}; "
            "run all of them on one"
        )
    for name, checksums in builds.items():
        if len(checksums) > 1:
            raise MixedResults(f"{name} was built anew between the results; start again into another folder")


def _compare_works(
    plan: ComparisonPlan, found: _Found, variant: str, measure: Measure, risk: float | None
) -> Iterator[Finding]:
    """A variant in one measure: a finding for each work that has it, and one for all works together."""
    baseline = plan.variants[0].name
    all_failed = 0
    log_ratios = []
    for work in plan.works:
        # Of variant and baseline, a row each, a column a round, NaN where nothing was measured.
        sides = [
            [found.get((work.name, name, number, measure.is_latency)) for number in range(plan.rounds)]
            for name in (variant, baseline)
        ]
        values = np.array([[np.nan if one is None else measure.read(one) for one in side] for side in sides])
        values[values <= 0] = np.nan  # a cache that keeps nothing has no ratio
        logs = np.log(values[0]) - np.log(values[1])
        has_pairs = bool(np.isfinite(logs).any())
        if has_pairs or measure is THROUGHPUT:
            ratio = judge_log_ratios(logs, is_higher_better=measure.is_higher_better, risk=risk)
            pairs = zip(*sides, strict=True)
            failed = sum(any(one is not None and not one.is_measured for one in pair) for pair in pairs)
            medians = _median(values[0]), _median(values[1])
            yield Finding(work.name, variant, baseline, measure, ratio, *medians, failed)
            all_failed += failed
        if has_pairs:
            log_ratios.append(logs)
    if len(log_ratios) == len(plan.works) > 1:
        # Round by round the mean over all works; rounds in which one of them is missing do not count.
        means = np.mean(log_ratios, axis=0)
        ratio = judge_log_ratios(means, is_higher_better=measure.is_higher_better, risk=risk)
        yield Finding(ALL_WORKS, variant, baseline, measure, ratio, np.nan, np.nan, all_failed)


def _median(values: FloatArray) -> float:
    kept = values[np.isfinite(values)]
    return float(np.median(kept)) if len(kept) else np.nan
