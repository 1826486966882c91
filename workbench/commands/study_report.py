"""What `tune` does: a study with its progress, what it tells, and the file with the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from workbench.allocators import get_allocator
from workbench.commands.arguments import parse_assignments
from workbench.commands.comparison_report import describe_comparison, print_comparison
from workbench.commands.output import print_json, print_table, show_table
from workbench.control import Value
from workbench.errors import BadParameter
from workbench.export import choose_format
from workbench.tuning import Candidate, HeldOut, Study, StudyPlan, format_settings


def read_injected(texts: Sequence[str], plan: StudyPlan) -> list[dict[str, Value]]:
    """Settings of --inject, one candidate each."""
    known = get_allocator(plan.allocator).tunables
    return [parse_assignments(text.split(","), known) for text in texts]


def check_export_path(path: str) -> None:
    """See that a file can be written there once the study is over.

    Raises
    ------
    BadParameter
        If its ending tells no format, or its folder is not there.
    """
    choose_format(path)
    if not Path(path).absolute().parent.is_dir():
        raise BadParameter(f"{path}: there is no such folder; make it first")


# --- what is told ---


def print_plan(plan: StudyPlan, as_json: bool) -> None:
    """What a file declares."""
    if as_json:
        print_json(plan.to_dict() | {"name": plan.name, "trials": plan.trials})
        return
    click.echo(
        f"{plan.name}: {plan.trials} trials of up to {plan.rounds} rounds on "
        f"{', '.join(work.name for work in plan.works)}; objectives: {', '.join(plan.objectives)}"
    )
    print_table(
        ("tunable", "searched"),
        [(each.tunable.name, each.describe()) for each in plan.space.dimensions],
        wrapped=("searched",),
    )


def print_study(study: Study, as_json: bool) -> None:
    """How a study stands: the latest candidates, the best, and what was held out."""
    candidates = study.list_candidates()
    held_out = study.read_held_out()
    if as_json:
        print_json(_describe_study(study, candidates, held_out))
        return
    plan = study.plan
    show_table(study.to_table())
    winners = study.find_winners()
    for one in winners:
        ratios = ", ".join(
            f"{name} {value:.3f}" for name, value in zip(plan.objectives, one.values, strict=True)
        )
        place = "best so far" if len(plan.objectives) == 1 else "on the front"
        told = format_settings(one.settings, plan.allocator)
        click.echo(f"{place}: {one.name}: {told}; to the defaults: {ratios}")
    if not winners and any(one.is_finished for one in candidates):
        click.echo("nothing beats the defaults so far: keep them")
    if held_out is not None:
        print_comparison(held_out.comparison)
        for line in held_out.describe():
            click.echo(line)


def _describe_study(
    study: Study, candidates: Sequence[Candidate], held_out: HeldOut | None
) -> dict[str, Any]:
    return {
        "name": study.plan.name,
        "storage": study.storage,
        "folder": study.results.path,
        "objectives": study.plan.objectives,
        "finished": sum(one.is_finished for one in candidates),
        "trials": candidates,
        "best": [one.number for one in study.find_winners()],
        "best_settings": study.best_settings(),
        "held_out": None
        if held_out is None
        else {
            "comparison": describe_comparison(held_out.comparison),
            "confirmed": held_out.confirmed,
            "traded": held_out.traded,
            "words": held_out.describe(),
        },
    }
