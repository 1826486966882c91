"""What `compare` does: from words to a plan, from a plan to a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from workbench.commands.arguments import parse_assignments, read_settings, split_assignments
from workbench.commands.output import print_table
from workbench.commands.trials import show_progress
from workbench.control import ControlBlock, Tunable, Value
from workbench.errors import BadParameter
from workbench.experiments import (
    ALL_WORKS,
    Comparison,
    ComparisonPlan,
    Finding,
    Ratio,
    Results,
    Run,
    TrialResult,
    Variant,
    Work,
    conclude,
    run_comparison,
)
from workbench.export.evidence import Evidence, choose_variant
from workbench.export.evidence_files import choose_format, write_evidence
from workbench.processes import allocators as list_allocators
from workbench.units import format_rough
from workbench.workloads import REPLAY

DEFAULT_ROUNDS = 10
DEFAULT_SECONDS = 1.0


def make_plan(
    workload_names: Sequence[str],
    datasets: Sequence[str],
    parameters: Sequence[str],
    variants: tuple[Variant, ...],
    threads: int | None,
    seconds: float | None,
    operations: int | None,
) -> ComparisonPlan:
    """A plan of workloads by name, all with the same length, and of replays, each once.

    Raises
    ------
    BadParameter
        If a parameter is no number.
    """
    if operations is None and seconds is None:
        seconds = DEFAULT_SECONDS
    base = Run("", _parse_parameters(parameters), threads=threads, seconds=seconds, operations=operations)
    works = [Work(name, replace(base, workload=name)) for name in workload_names]
    works += [Work(Path(name).stem, Run(REPLAY, trace=name)) for name in datasets]
    return ComparisonPlan(tuple(works), variants, DEFAULT_ROUNDS)


def run_rounds(plan: ComparisonPlan, results: Results) -> tuple[Comparison, bool]:
    """Run a comparison with a bar: what came of it, and whether it was not interrupted."""
    trial_ids = {cell.trial.resolve().id for cell in plan.list_cells()}
    before = results.ids & trial_ids
    title = f"{len(plan.works)} workloads, {len(plan.variants)} variants, {plan.rounds} rounds"
    with show_progress(title, len(trial_ids), len(before)) as advance:

        def take(result: TrialResult) -> None:
            if result.id not in before:  # the time left is reckoned from what runs now
                advance(result)

        try:
            return run_comparison(plan, results, take), True
        except KeyboardInterrupt:
            pass
    return conclude(plan, results), False


def read_variants(
    allocators: str | None,
    variant_texts: Sequence[str],
    settings_path: str | None,
    assignments: tuple[str, ...],
) -> tuple[Variant, ...]:
    """What is compared: allocators by name, hakmem with its settings, and variants of it."""
    settings: dict[str, Value] = {}
    with ControlBlock.own() as own:
        tunables = own.tunables
        if settings_path is not None or assignments:
            settings = read_settings(settings_path, assignments, tunables)
        extra = [_parse_variant(text, tunables, settings) for text in variant_texts]
    if allocators is None and not extra:
        names = [allocator.name for allocator in list_allocators() if allocator.available]
    else:
        names = [name.strip() for name in ("hakmem" if allocators is None else allocators).split(",")]
        if not all(names):
            raise BadParameter(
                f"--allocators '{allocators}': a name is empty; give names with commas between"
            )
    if settings and "hakmem" not in names and not extra:
        raise BadParameter("--set and --settings are hakmem's; compare it too, or leave them out")
    return (*(Variant(name, name, settings if name == "hakmem" else {}) for name in names), *extra)


def check_export(plan: ComparisonPlan, path: str | None, winner: str | None) -> None:
    """See before anything runs that what is wanted can be exported.

    Raises
    ------
    BadParameter
        If the ending of the path tells no format, or it is not clear which variant is meant.
    """
    if path is not None:
        choose_format(path)
        choose_variant(plan, winner)
    elif winner is not None:
        raise BadParameter("--winner says which variant --export writes; give --export FILE too")


def export_winner(path: str, comparison: Comparison, results: Results, winner: str | None) -> None:
    """Write the settings of a variant, with the evidence for them.

    Raises
    ------
    BadParameter
        If the file cannot be written.
    """
    write_evidence(path, Evidence.from_comparison(comparison, results, winner))


def _parse_variant(text: str, tunables: Mapping[str, Tunable], settings: dict[str, Value]) -> Variant:
    name, colon, values = text.partition(":")
    if not colon or not name.strip():
        raise BadParameter(f"'{text}' is not NAME:TUNABLE=VALUE,..., as in tight:tls.max_slots=256")
    return Variant(name.strip(), "hakmem", settings | parse_assignments(values.split(","), tunables))


def _parse_parameters(texts: Sequence[str]) -> dict[str, float]:
    values: dict[str, float] = {}
    for name, text in split_assignments(texts).items():
        try:
            values[name] = float(text)
        except ValueError:
            raise BadParameter(f"{name}: '{text}' is not a number") from None
    return values


# --- what is told ---


def describe_comparison(comparison: Comparison) -> dict[str, Any]:
    """A comparison for programs."""
    return {
        "plan": comparison.plan.to_dict(),
        "rounds": comparison.rounds,
        "is_judged": comparison.is_judged,
        "is_warm": comparison.is_warm,
        "machine": comparison.machine,
        "failures": comparison.failures,
        "findings": [
            {
                "work": finding.work,
                "variant": finding.variant,
                "baseline": finding.baseline,
                "measure": finding.measure.name,
                "unit": finding.measure.unit,
                "value": finding.value,
                "baseline_value": finding.baseline_value,
                "ratio": dataclasses.asdict(finding.ratio),
                "failed": finding.failed,
                "verdict": finding.ratio.verdict,
                "words": comparison.describe(finding),
            }
            for finding in comparison.findings
        ],
    }


def print_comparison(comparison: Comparison) -> None:
    """A comparison for people."""
    baseline = comparison.plan.variants[0].name
    click.echo(
        f"{comparison.rounds} of {comparison.plan.rounds} rounds on {comparison.machine or 'this machine'}; "
        f"baseline {baseline}"
    )
    rows = []
    previous: tuple[str, str] | None = None
    for finding in comparison.findings:
        key = (finding.work, finding.variant)
        rows.append(
            (
                finding.work if previous is None or previous[0] != finding.work else "",
                finding.variant if previous != key else "",
                finding.measure.name,
                _format_value(finding, finding.value),
                _format_value(finding, finding.baseline_value),
                format_ratio(finding.ratio),
                comparison.describe(finding),
            )
        )
        previous = key
    baseline_median = f"{baseline} (baseline)"
    columns = ("workload", "variant", "measure", "median", baseline_median, "ratio, 95 % interval", "verdict")
    print_table(
        columns,
        rows,
        right=("median", baseline_median),
        wrapped=("verdict",),
        dropped=(baseline_median, "median"),
    )
    for reason, count in comparison.failures.items():
        click.echo(f"failed {count} times: {reason}", err=True)
    if not comparison.is_warm:
        click.echo("note: some runs needed more memory than was touched before them", err=True)


def format_ratio(ratio: Ratio) -> str:
    """Write "1.043 (1.031 to 1.055)"."""
    if ratio.pairs == 0:
        return "–"
    if ratio.low == 0:
        return f"{ratio.estimate:.3f} (too few rounds)"
    return f"{ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"


def _format_value(finding: Finding, value: float) -> str:
    return "" if finding.work == ALL_WORKS else format_rough(value, finding.measure.unit)
