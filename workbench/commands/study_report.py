"""What `tune` does: a study with its progress, what it tells, and the file with the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.allocators import get_allocator
from workbench.commands.arguments import parse_assignments
from workbench.commands.comparison_report import describe_comparison, list_notes
from workbench.commands.output import Answer, pick
from workbench.control import Value
from workbench.errors import BadParameter
from workbench.export import choose_format
from workbench.table import Table
from workbench.tuning import Study, StudyPlan, StudyStart, format_settings


def read_injected(texts: Sequence[str], plan: StudyPlan) -> list[dict[str, Value]]:
    """Settings of --inject, one candidate each."""
    known = get_allocator(plan.allocator).tunables
    return [parse_assignments(text.split(","), known) for text in texts]


def check_export_path(path: Path) -> None:
    """See that a file can be written there once the study is over."""
    choose_format(path)
    if not path.absolute().parent.is_dir():
        raise BadParameter(f"{path}: there is no such folder; make it first")


# --- what is told ---


def answer_plan(plan: StudyPlan, start: StudyStart | None = None) -> Answer:
    """What a file declares."""
    searched = [(one.tunable.name, one.describe()) for one in plan.space.dimensions]
    return Answer(
        plan.to_dict() | {"name": plan.name, "trials": plan.trials} | _tell_start(start),
        f"{plan.name}: {plan.trials} trials of up to {plan.rounds} rounds on "
        f"{', '.join(work.name for work in plan.works)}; objectives: {', '.join(plan.objectives)}",
        Table(("tunable", "searched"), searched, wrapped=("searched",)),
        *([start.describe()] if start else []),
    )


def _tell_start(start: StudyStart | None) -> dict[str, object]:
    if start is None:
        return {}
    return {"whatif": pick(start, "first tunable searched left_out trials_saved runs_saved")}


def answer_study(study: Study, status: int, start: StudyStart | None = None) -> Answer:
    """How a study stands: the latest candidates, the best, and what was held out."""
    plan, candidates, winners = study.plan, study.list_candidates(), study.find_winners()
    held_out = study.read_held_out()
    place = "best so far" if len(plan.objectives) == 1 else "on the front"
    shown: list[str | Table] = [study.to_table()]
    for one in winners:
        told = format_settings(one.settings, plan.allocator)
        values = zip(plan.objectives, one.values, strict=True)
        ratios = ", ".join(f"{name} {value:.3f}" for name, value in values)
        shown.append(f"{place}: {one.name}: {told}; to the defaults: {ratios}")
    if not winners and any(one.is_finished for one in candidates):
        shown.append("nothing beats the defaults so far: keep them")
    if start is not None:
        shown.append(start.describe())
    facts: dict[str, Any] = _tell_start(start) | {
        "name": plan.name,
        "storage": study.storage,
        "folder": study.results.path,
        "objectives": plan.objectives,
        "finished": sum(one.is_finished for one in candidates),
        "trials": candidates,
        "best": [one.number for one in winners],
        "best_settings": study.best_settings(),
        "held_out": None,
    }
    if held_out is None:
        return Answer(facts, *shown, status=status)
    comparison, words = held_out.comparison, held_out.describe()
    judged = {"comparison": describe_comparison(comparison), "words": words}
    facts["held_out"] = judged | pick(held_out, "confirmed traded")
    return Answer(facts, *shown, comparison.to_table(), *words, notes=list_notes(comparison), status=status)
