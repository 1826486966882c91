"""verify: the claim of an exported file, run again on this machine."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click
import msgspec

from workbench.commands.arguments import PlaceType, keep_results_option
from workbench.commands.completion import complete_pid
from workbench.commands.output import STATUS_WRONG_INPUT, Answer, answering, pick
from workbench.commands.targets import Target, TargetType, name_target
from workbench.errors import BadParameter
from workbench.export import read_defaults
from workbench.interrupt import STATUS_INTERRUPTED, ending_at_once

if TYPE_CHECKING:
    from workbench.export.live_evidence import LiveEvidence
    from workbench.export.verification import Status, Verification

# Under the words of the result; `workbench verify --help` tells them.
_STATUSES: Mapping[str, int] = {"confirmed": 0, "refuted": 1, "weaker": 3, "cannot tell": 4}


@click.command()
@click.argument("path", metavar="FILE", type=PlaceType())
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
    "--run-commands",
    is_flag=True,
    help="Run the commands that the file names, as programs or probes; give it only if you trust the file.",
)
@click.option(
    "--pid",
    "target",
    metavar="PID|GROUP",
    type=TargetType(),
    shell_complete=complete_pid,
    help="Run a live experiment again on this process or group, with the plan of the claim.",
)
@keep_results_option
@answering
def verify(
    path: str,
    is_quick: bool,
    rounds: int | None,
    same_seeds: bool,
    checks_only: bool,
    run_commands: bool,
    target: Target | None,
    output: Path | None,
) -> Answer:
    """Repeat the comparison behind an exported settings file and say whether its claims still hold.

    Exit status: 0 confirmed, 1 refuted, 3 weaker than claimed, 4 cannot tell (it then says how many more
    rounds are needed), 2 if the file has no evidence, was changed or cannot run here, 130 after Ctrl-C.

    The claim of a live experiment is about a running process. Its verdicts are computed again from its
    blocks. With --pid the experiment is run again on a process of yours; without it, the status is 4.
    """
    # Statistics and tables are slow to import, and other commands need none.
    with ending_at_once():
        from workbench.api.measuring import read_claim
        from workbench.api.progress import open_results
        from workbench.commands.comparison_report import list_failures, run_rounds
        from workbench.export.evidence_files import read_evidence
        from workbench.export.live_evidence import LiveEvidence
        from workbench.export.verification import judge_claims, plan_verification

    if target is not None and not checks_only:
        if rounds is not None:
            raise BadParameter("--rounds is about comparisons: a live experiment has the blocks of the claim")
        return _repeat_live(path, target, same_seeds=same_seeds, run_commands=run_commands, output=output)
    if isinstance(live := read_evidence(path), LiveEvidence):
        live.check_settings(read_defaults(path).values)
        return _tell_live(path, live, checks_only=checks_only)
    evidence, obstacles, differences = read_claim(path, run_commands=run_commands or checks_only)
    facts: dict[str, object] = {"file": path, "status": "not tried", "differences": differences}
    notes = [f"note: {text}" for text in differences]
    if obstacles:
        notes.append(f"workbench: {path}: the claim cannot be tried here: {'; '.join(obstacles)}")
        click.echo("\n".join(notes), err=True)
        return Answer(facts | {"obstacles": obstacles}, status=STATUS_WRONG_INPUT)
    plan = plan_verification(evidence, "quick" if is_quick else "full", rounds=rounds, keeps_seeds=same_seeds)
    if checks_only:
        trials = sum(1 for _ in plan.list_cells())
        words = f"{path}: sound; its claim would be tried in {plan.rounds} rounds, {trials} runs"
        if evidence.claims_nothing:
            words = (
                f"{path}: sound, but it claims nothing: its own rounds ({evidence.rounds}) could not tell; "
                "export a comparison with more"
            )
        facts |= {"obstacles": [], "rounds": plan.rounds, "trials": trials}
        facts |= pick(evidence, "claims_nothing")
        return Answer(facts, words, *notes)
    with open_results(output) as results:
        comparison, is_whole = run_rounds(plan, results, f"{path}, {plan.rounds} rounds")
    found = judge_claims(evidence, comparison, tuple(differences))
    claims = [
        pick(one, "status words more_rounds claim")
        | {"found": one.finding and pick(one.finding, "value baseline_value ratio")}
        for one in found.judgements
    ]
    facts |= pick(found, "status more_rounds") | pick(comparison, "rounds machine failures")
    facts |= pick(evidence, "toml toml_sha256") | {"claims": claims}
    table = found.to_table()
    shown = dataclasses.replace(table, caption=f"{path}: {table.caption}")
    failures = list_failures(comparison)
    if is_whole:
        return Answer(facts, shown, _conclude(found), notes=failures, status=_STATUSES[found.status])
    failures.append(f"interrupted after {comparison.rounds} rounds: no verdict")
    return Answer(facts | {"status": "interrupted"}, shown, notes=failures, status=STATUS_INTERRUPTED)


def _tell_live(path: str, evidence: LiveEvidence, *, checks_only: bool) -> Answer:
    """What a file alone says of a live experiment."""
    blocks = len(evidence.result.time_blocks)
    what = (
        f"its verdicts follow from its {blocks} blocks" if blocks else "it holds the verdicts, and no blocks"
    )
    verdicts = [f"{name}: {words}" for name, words in evidence.verdicts.items()]
    status: Status | Literal["sound"] = "sound" if checks_only else "cannot tell"
    facts = {"file": path, "status": status, "verdicts": evidence.verdicts, "command": evidence.command}
    words = f"{path}: sound; {what}"
    return Answer(
        facts,
        words,
        *verdicts,
        evidence.describe_repetition(path),
        status=0 if checks_only else _STATUSES[status],
    )


def _repeat_live(
    path: str, target: Target, *, same_seeds: bool, run_commands: bool, output: Path | None
) -> Answer:
    """Run a live experiment again, and say whether the result agrees."""
    from workbench.api.live import repeat_experiment

    found = repeat_experiment(path, target, same_seeds=same_seeds, run_commands=run_commands, output=output)
    claims = [
        pick(one, "status words claim") | {"found": one.finding and pick(one.finding, "ratio")}
        for one in found.judgements
    ]
    facts = {"file": path} | name_target(target) | pick(found, "status differences") | {"claims": claims}
    facts |= pick(found.result, "ended restored") | {"plan": msgspec.to_builtins(found.result.plan)}
    if found.result.is_interrupted:
        return Answer(facts | {"status": "interrupted"}, found.to_table(), status=STATUS_INTERRUPTED)
    return Answer(facts, found.to_table(), found.status, status=_STATUSES[found.status])


def _conclude(found: Verification) -> str:
    if not found.judgements:
        return "cannot tell: the file claims nothing, its own rounds could not tell"
    if found.status == "cannot tell" and found.more_rounds is not None:
        total = found.comparison.rounds + found.more_rounds
        plural = "" if found.more_rounds == 1 else "s"
        return f"cannot tell: about {found.more_rounds} more round{plural} would (--rounds {total})"
    return found.status
