"""verify: the claim of an exported file, run again on this machine."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from workbench.commands.output import json_option, print_json, print_table
from workbench.errors import BadParameter
from workbench.interrupt import ending_at_once

if TYPE_CHECKING:
    from workbench.experiments import Comparison, ComparisonPlan, Results
    from workbench.export.verification import Verification

STATUS_WRONG_INPUT = 2
_STATUS_INTERRUPTED = 130
# Under the words of the result; `workbench verify --help` tells them.
_STATUSES: Mapping[str, int] = {"confirmed": 0, "refuted": 1, "weaker": 3, "cannot tell": 4}


@click.command()
@click.argument("path", metavar="FILE", type=click.Path())
@click.option(
    "--quick/--full",
    "is_quick",
    default=True,
    help="Quick: 10 rounds, the default. Full: as many rounds as the original comparison had.",
)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of rounds, instead of --quick or --full.",
)
@click.option(
    "--same-seeds",
    is_flag=True,
    help="Use the seeds of the original comparison; by default, new ones.",
)
@click.option(
    "--check",
    "checks_only",
    is_flag=True,
    help="Check the file and whether it can run here, but run nothing.",
)
@click.option(
    "--output",
    metavar="FOLDER",
    type=click.Path(),
    help="Keep the results here; the same command resumes where it stopped.",
)
@json_option
def verify(
    path: str,
    is_quick: bool,
    rounds: int | None,
    same_seeds: bool,
    checks_only: bool,
    output: str | None,
    as_json: bool,
) -> None:
    """Repeat the comparison behind an exported settings file and say whether its claims still hold.

    Exit status: 0 confirmed, 1 refuted, 3 weaker than claimed, 4 undecided (it then says how many more
    rounds are needed), 2 if the file has no evidence, was changed or cannot run here, 130 after Ctrl-C.
    """
    # Statistics and tables are slow to import, and other commands need none.
    with ending_at_once():
        from workbench.commands.trials import open_results
        from workbench.export.evidence_files import find_other_toml, read_evidence
        from workbench.export.verification import (
            find_differences,
            find_obstacles,
            judge_claims,
            plan_verification,
        )

    evidence = read_evidence(path)
    if evidence is None:
        raise BadParameter(
            f"{path}: it carries no evidence; `workbench compare ... --export FILE` writes files that do"
        )
    obstacles = find_obstacles(evidence)
    differences = find_other_toml(path, evidence) + find_differences(evidence)
    if obstacles:
        _refuse(path, obstacles, differences, as_json)
    _check_settings(path, evidence)
    plan = plan_verification(evidence, "quick" if is_quick else "full", rounds=rounds, keeps_seeds=same_seeds)
    if checks_only:
        _tell_check(path, plan, differences, as_json)
        return
    with open_results(output) as results:
        comparison, is_whole = _run(path, plan, results)
    found = judge_claims(evidence, comparison, tuple(differences))
    if as_json:
        print_json(_describe(path, found, is_whole))
    else:
        _print_report(path, found, is_whole)
    sys.exit(_STATUSES[found.status] if is_whole else _STATUS_INTERRUPTED)


def _check_settings(path: str, evidence: Any) -> None:
    from workbench.errors import DamagedEvidence
    from workbench.export import read_defaults

    try:
        evidence.check_settings(read_defaults(path).values)
    except DamagedEvidence as error:
        raise DamagedEvidence(f"{path}: {error}") from None


def _refuse(path: str, obstacles: list[str], differences: list[str], as_json: bool) -> None:
    if as_json:
        print_json({"file": path, "status": "not tried", "obstacles": obstacles, "differences": differences})
    for text in differences:
        click.echo(f"note: {text}", err=True)
    click.echo(f"workbench: {path}: the claim cannot be tried here: {'; '.join(obstacles)}", err=True)
    sys.exit(STATUS_WRONG_INPUT)


def _tell_check(path: str, plan: ComparisonPlan, differences: list[str], as_json: bool) -> None:
    trials = sum(1 for _ in plan.list_cells())
    if as_json:
        print_json(
            {
                "file": path,
                "status": "not tried",
                "obstacles": [],
                "differences": differences,
                "rounds": plan.rounds,
                "trials": trials,
            }
        )
        return
    click.echo(f"{path}: sound; its claim would be tried in {plan.rounds} rounds, {trials} trials")
    _print_differences(differences)


def _run(path: str, plan: ComparisonPlan, results: Results) -> tuple[Comparison, bool]:
    from workbench.commands.trials import show_progress
    from workbench.experiments import conclude, run_comparison

    with show_progress(f"{path}, {plan.rounds} rounds", sum(1 for _ in plan.list_cells())) as advance:
        try:
            return run_comparison(plan, results, advance), True
        except KeyboardInterrupt:
            pass
    return conclude(plan, results), False


def _describe(path: str, found: Verification, is_whole: bool) -> dict[str, Any]:
    return {
        "file": path,
        "status": found.status if is_whole else "interrupted",
        "more_rounds": found.more_rounds,
        "rounds": found.comparison.rounds,
        "machine": found.comparison.machine,
        "differences": found.differences,
        "failures": found.comparison.failures,
        "toml": found.evidence.toml,
        "toml_sha256": found.evidence.toml_sha256,
        "claims": [
            {
                "status": one.status,
                "words": one.words,
                "more_rounds": one.more_rounds,
                "claim": one.claim,
                "found": None
                if one.finding is None
                else {
                    "value": one.finding.value,
                    "baseline_value": one.finding.baseline_value,
                    "ratio": one.finding.ratio,
                },
            }
            for one in found.judgements
        ],
    }


def _print_report(path: str, found: Verification, is_whole: bool) -> None:
    from workbench.commands.comparison_report import format_ratio

    evidence, comparison = found.evidence, found.comparison
    click.echo(
        f"{path}: {evidence.variant} against {evidence.baseline}; claimed {evidence.date} from "
        f"{evidence.rounds} rounds, tried here in {comparison.rounds}"
    )
    _print_differences(found.differences)
    rows = []
    for one in found.judgements:
        claim = one.claim
        rows.append(
            (
                claim.work,
                claim.measure,
                f"{claim.ratio:.3f} ({claim.low or 0:.3f} to {claim.high or 0:.3f})",
                claim.verdict,
                "–" if one.finding is None else format_ratio(one.finding.ratio),
                f"{one.status}: {one.words}" if one.words else one.status,
            )
        )
    columns = ("workload", "measure", "claimed ratio, 95 %", "claimed", "here, 95 %", "so it is")
    print_table(columns, rows, wrapped=("so it is",), dropped=("claimed",))
    for reason, count in comparison.failures.items():
        click.echo(f"failed {count} times: {reason}", err=True)
    if not is_whole:
        click.echo(f"interrupted after {comparison.rounds} rounds: no verdict", err=True)
    elif not found.judgements:
        click.echo("cannot tell: the file claims nothing, its own rounds could not tell")
    elif found.status == "cannot tell" and found.more_rounds is not None:
        total = comparison.rounds + found.more_rounds
        plural = "" if found.more_rounds == 1 else "s"
        click.echo(f"cannot tell: about {found.more_rounds} more round{plural} would (--rounds {total})")
    else:
        click.echo(found.status)


def _print_differences(differences: tuple[str, ...] | list[str]) -> None:
    for text in differences:
        click.echo(f"note: {text}")
