"""What `compare` does: from words to a plan, from a plan to a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import click

from workbench.api import measuring
from workbench.api.measuring import ROUNDS, make_replay, make_works
from workbench.commands.arguments import parse_assignments, parse_parameters, read_settings
from workbench.commands.output import show_table
from workbench.control import ControlBlock, Tunable, Value
from workbench.errors import BadParameter
from workbench.experiments import Comparison, ComparisonPlan, Results, Variant, conclude
from workbench.export import choose_format
from workbench.export.evidence import choose_variant
from workbench.processes import allocators as list_allocators


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
    works = make_works(
        workload_names,
        parse_parameters(parameters),
        threads=threads,
        seconds=seconds,
        operations=operations,
    )
    return ComparisonPlan((*works, *map(make_replay, datasets)), variants, ROUNDS)


def run_rounds(plan: ComparisonPlan, results: Results, title: str = "") -> tuple[Comparison, bool]:
    """Run a comparison with a bar: what came of it, and whether it was not interrupted."""
    try:
        return measuring.run_rounds(plan, results, title), True
    except KeyboardInterrupt:
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


def _parse_variant(text: str, tunables: Mapping[str, Tunable], settings: dict[str, Value]) -> Variant:
    name, colon, values = text.partition(":")
    if not colon or not name.strip():
        raise BadParameter(f"'{text}' is not NAME:TUNABLE=VALUE,..., as in tight:tls.max_slots=256")
    return Variant(name.strip(), "hakmem", settings | parse_assignments(values.split(","), tunables))


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
    show_table(comparison.to_table())
    for reason, count in comparison.failures.items():
        click.echo(f"failed {count} times: {reason}", err=True)
    if not comparison.is_warm:
        click.echo("note: some runs needed more memory than was touched before them", err=True)
