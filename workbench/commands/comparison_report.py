"""What `compare` does: from words to a plan, from a plan to a table."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from workbench.allocators import DEFAULT_ALLOCATOR, Allocator, get_allocator, is_tunable, tunables_of
from workbench.allocators import allocators as list_allocators
from workbench.api import measuring
from workbench.api.measuring import ROUNDS, make_replay, make_works
from workbench.commands.arguments import (
    parse_assignments,
    parse_parameters,
    read_settings,
    split_assignments,
)
from workbench.commands.output import pick
from workbench.errors import BadParameter, UnknownTunable, describe_unknown
from workbench.experiments import Comparison, ComparisonPlan, Results, Variant, conclude
from workbench.experiments.programs import make_programs
from workbench.export import choose_format, read_defaults
from workbench.export.evidence import choose_variant


def make_plan(
    *,
    workload_names: Sequence[str],
    datasets: Sequence[str] = (),
    parameters: Sequence[str] = (),
    allocators: str | None = None,
    variant_texts: Sequence[str] = (),
    settings_path: Path | None = None,
    assignments: Sequence[str] = (),
    commands: Sequence[str] = (),
    command_names: Sequence[str] = (),
    warmup: int | None = None,
    any_output: bool | None = None,
    environment: Sequence[str] = (),
    seconds: float | None = None,
    operations: int | None = None,
    threads: int | None = None,
    **programs: Any,
) -> ComparisonPlan:
    """A plan of workloads by name, all with the same length, of replays, each once, and of commands."""
    if any_output and not commands:
        raise BadParameter("--any-output is about a --command; give one")
    variants = _read_variants(allocators, variant_texts, settings_path, assignments)
    works = make_works(
        workload_names, parse_parameters(parameters), seconds=seconds, operations=operations, threads=threads
    )
    made = make_programs(commands, command_names, environment=split_assignments(environment), **programs)
    return ComparisonPlan(
        (*works, *map(make_replay, datasets), *made),
        variants,
        ROUNDS,
        warmup=warmup or 0,
        ends_on_failure=bool(commands) and not programs.get("ignore_failure"),
        compares_output=bool(commands) and not any_output and programs.get("server") is None,
    )


def run_rounds(plan: ComparisonPlan, results: Results, title: str = "") -> tuple[Comparison, bool]:
    """Run a comparison with a bar: what came of it, and whether it was not interrupted."""
    try:
        return measuring.run_rounds(plan, results, title), True
    except KeyboardInterrupt:
        return conclude(plan, results), False


def _read_variants(
    allocators: str | None,
    variant_texts: Sequence[str],
    settings_path: Path | None,
    assignments: Sequence[str],
) -> tuple[Variant, ...]:
    """What is compared: allocators by name, one of them with settings, and variants of the tunable ones."""
    if allocators is None and not variant_texts:
        names = [allocator.name for allocator in list_allocators() if allocator.available]
    else:
        names = [name.strip() for name in (allocators or DEFAULT_ALLOCATOR).split(",")]
        if not all(names):
            raise BadParameter(
                f"--allocators '{allocators}': a name is empty; give names with commas between"
            )
    given = set(split_assignments(assignments))
    if settings_path is not None:
        given |= read_defaults(settings_path).values.keys()
    tuned = _choose_tuned(names, given)
    settings = read_settings(settings_path, assignments, tuned)
    if settings and tuned.name not in names and not variant_texts:
        raise BadParameter(f"--set and --settings are {tuned.name}'s; compare it too, or leave them out")
    return (
        *(Variant(name, name, settings if name == tuned.name else {}) for name in names),
        *(_parse_variant(text, names, Variant("", tuned.name, settings)) for text in variant_texts),
    )


def _choose_tuned(names: Sequence[str], given: Set[str]) -> Allocator:
    """The first of the compared allocators that has most of these tunables; the default one comes last."""
    tunable = [get_allocator(name) for name in dict.fromkeys((*names, DEFAULT_ALLOCATOR)) if is_tunable(name)]
    if not given:
        return tunable[0]
    known = tunables_of(one.name for one in tunable)
    for name in given - known.keys():
        raise UnknownTunable(describe_unknown("tunable", name, known))
    return max(tunable, key=lambda one: len(one.tunables.keys() & given))


def check_export(plan: ComparisonPlan, path: Path | None, winner: str | None) -> None:
    """See before anything runs that what is wanted can be exported."""
    if path is not None:
        choose_format(path)
        choose_variant(plan, winner)
    elif winner is not None:
        raise BadParameter("--winner says which variant --export writes; give --export FILE too")


def _parse_variant(text: str, names: Sequence[str], settings: Variant) -> Variant:
    name, colon, values = text.partition(":")
    if not colon or not name.strip():
        raise BadParameter(f"'{text}' is not NAME:TUNABLE=VALUE,...; give a name, a colon, and settings")
    allocator = _choose_tuned(names, split_assignments(values.split(",")).keys())
    before = settings.tunables if settings.allocator == allocator.name else {}
    own = parse_assignments(values.split(","), allocator.tunables)
    return Variant(name.strip(), allocator.name, {**before, **own})


# --- what is told ---


def describe_comparison(comparison: Comparison) -> dict[str, Any]:
    """A comparison for programs."""
    findings = [
        {
            **pick(finding, "work variant baseline value baseline_value ratio failed"),
            "measure": finding.measure.name,
            "unit": finding.measure.unit,
            "verdict": finding.ratio.verdict,
            "words": comparison.describe(finding),
        }
        for finding in comparison.findings
    ]
    facts = pick(comparison, "rounds is_judged is_warm machine failures")
    return {"plan": comparison.plan.to_dict(), **facts, "findings": findings}


def list_notes(comparison: Comparison) -> list[str]:
    """What is to be known of a comparison besides its table."""
    cold = "note: some runs needed more memory than was touched before them"
    return [*list_failures(comparison), *([] if comparison.is_warm else [cold])]


def describe_export(comparison: Comparison, path: Path, winner: str | None) -> list[str]:
    """What is to be known of the file that was written: a line if it claims nothing."""
    name = choose_variant(comparison.plan, winner).name
    if any(one.variant == name and one.ratio.verdict != "cannot tell" for one in comparison.findings):
        return []
    return [
        f"note: {path} claims nothing, since {comparison.rounds} rounds could not tell: "
        "`workbench verify` can confirm nothing; more --rounds may tell"
    ]


def list_failures(comparison: Comparison) -> list[str]:
    """Why runs failed, a line a reason; without what was told, in the same words, when it occurred."""
    told = {
        f"{result.run.title} under {result.run.allocator}: {result.status}: {result.reason}"
        for result in comparison.results
        if not result.is_measured
    }
    return [
        f"failed {'once' if count == 1 else f'{count} times'}: {reason}"
        for reason, count in comparison.failures.items()
        if count > 1 or reason not in told
    ]
