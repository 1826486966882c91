"""verify: the claim of an exported file, run again on this machine."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from workbench.commands.output import json_option, print_json, show_table
from workbench.interrupt import ending_at_once

if TYPE_CHECKING:
    from workbench.experiments import ComparisonPlan
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
        from workbench.api.measuring import read_claim
        from workbench.api.progress import open_results
        from workbench.commands.comparison_report import run_rounds
        from workbench.export.verification import judge_claims, plan_verification

    evidence, obstacles, differences = read_claim(path)
    if obstacles:
        _refuse(path, obstacles, differences, as_json)
    plan = plan_verification(evidence, "quick" if is_quick else "full", rounds=rounds, keeps_seeds=same_seeds)
    if checks_only:
        _tell_check(path, plan, differences, as_json)
        return
    with open_results(output) as results:
        comparison, is_whole = run_rounds(plan, results, f"{path}, {plan.rounds} rounds")
    found = judge_claims(evidence, comparison, tuple(differences))
    if as_json:
        print_json(_describe(path, found, is_whole))
    else:
        _print_report(path, found, is_whole)
    sys.exit(_STATUSES[found.status] if is_whole else _STATUS_INTERRUPTED)


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
    click.echo(f"{path}: sound; its claim would be tried in {plan.rounds} rounds, {trials} runs")
    for text in differences:
        click.echo(f"note: {text}")


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
    comparison = found.comparison
    table = found.to_table()
    show_table(dataclasses.replace(table, caption=f"{path}: {table.caption}"))
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
