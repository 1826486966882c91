"""Live experiments: two settings in alternation on a running process or group."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from workbench.api.arguments import checks_arguments
from workbench.api.processes import attach
from workbench.api.progress import Bar
from workbench.control import Value
from workbench.errors import BadParameter, WorkbenchError
from workbench.experiments.live import LiveExperiment, LiveProgress, prepare_experiment
from workbench.experiments.live_result import LivePlan, LiveResult
from workbench.experiments.result_folder import prepare_folder
from workbench.probes import Probe

if TYPE_CHECKING:
    from workbench.experiments.switchback import Foresight
    from workbench.export.live_verification import LiveVerification
    from workbench.processes.group import Group
    from workbench.table import Table

#: Blocks, their length and their wash-out, unless somebody says otherwise.
BLOCKS, BLOCK_S, WASH_OUT_S = 40, 20.0, 2.0


@checks_arguments
def experiment(
    target: int | str | Group,
    b: Mapping[str, Value],
    a: Mapping[str, Value] | None = None,
    *,
    probes: Sequence[str | Probe],
    blocks: int = BLOCKS,
    block_s: float = BLOCK_S,
    wash_out_s: float = WASH_OUT_S,
    looks: int = 1,
    guards: Sequence[str] = (),
    period_s: float | None = None,
    seed: int | None = None,
    kind: str | None = None,
    output: str | os.PathLike[str] | None = None,
) -> LiveResult:
    """Let two settings take turns on a running process, in blocks of time, and say what B does.

    The process goes back to A at the end, also if this program is killed. Interrupt it to end it early: what
    was measured is kept.

    Parameters
    ----------
    target : int or str
        A pid, or a group such as "command:postgres".
    b : mapping of str to Value
        The setting that is tried.
    a : mapping of str to Value, optional
        What it is compared with, and what is restored; by default the values that the process has.
    probes : sequence of str or Probe
        What is judged: "process.resident", the name of a metric, or "NAME:UNIT,higher=SOURCE".
    blocks : int
        An even number, at least 16.
    block_s, wash_out_s : float
        Length of a block, and its first part that is not measured.
    looks : int
        Number of analyses, the last one included; it ends once every verdict is decided.
    guards : sequence of str
        What ends it at once, such as "errors<5"; the name is that of a probe.
    period_s : float, optional
        Time between two readings of a probe; each probe's own by default.
    seed : int, optional
        Determines the order of the blocks; drawn by default.
    output : path, optional
        A folder that keeps the result. A former result there stays, as experiment.1.json.

    Raises
    ------
    WorkbenchError
        If it cannot be done so: the settings are then what they were.
    """
    plan = LivePlan(
        a or {}, b, blocks, block_s, wash_out_s, looks, draw_seed(seed), (), tuple(guards), period_s
    )
    with attach(target, kind, names=b) as block:
        return run_experiment(prepare_experiment(block, plan, probes), output)


def run_experiment(one: LiveExperiment, output: str | os.PathLike[str] | None = None) -> LiveResult:
    """Run it with a bar of progress, and keep what was measured after every block."""
    if output is not None:
        prepare_folder(output, "experiment.json")
    saved = 0

    def advance(now: LiveProgress) -> None:
        nonlocal saved
        left_s = max(0.0, now.total_s - now.passed_s)
        bar.move(
            completed=now.passed_s,
            text=f"block {now.number} of {now.blocks} ({now.arm}), {left_s:.0f} s left",
        )
        if output is not None and len(now.result.time_blocks) > saved:
            saved = len(now.result.time_blocks)
            now.result.save(output)

    one.on_progress = advance
    with Bar("experiment", total=one.plan.total_s) as bar:
        result = one.run()
    if output is not None:
        result.save(output)
    return result


def repeat_experiment(
    path: str | os.PathLike[str],
    target: int | str | Group,
    *,
    probes: Sequence[Probe] = (),
    same_seeds: bool = False,
    run_commands: bool = False,
    output: str | os.PathLike[str] | None = None,
) -> LiveVerification:
    """Run the live experiment behind an exported file again, on a process or group; as `verify` tells."""
    from workbench.export import read_defaults
    from workbench.export.evidence_files import read_evidence
    from workbench.export.live_evidence import LiveEvidence
    from workbench.export.live_verification import judge_repetition, plan_repetition

    evidence = read_evidence(path)
    if not isinstance(evidence, LiveEvidence):
        raise BadParameter(f"{os.fspath(path)}: it is not about a live experiment: name no process")
    evidence.check_settings(read_defaults(path).values)
    result = evidence.result
    with attach(target, result.kind, names=result.plan.b) as block:
        known = {probe.name: probe for probe in probes}
        seed = draw_seed(result.plan.seed if same_seeds else None)
        try:
            plan = plan_repetition(evidence, block, seed=seed, run_commands=run_commands)
            one = prepare_experiment(block, plan, plan.probes, known=known)
        except WorkbenchError as error:
            raise BadParameter(f"{os.fspath(path)}: the claim cannot be tried here: {error}") from None
        return judge_repetition(evidence, run_experiment(one, output))


def draw_seed(seed: int | None) -> int:
    """The seed that was given, or a new one."""
    return secrets.randbits(31) if seed is None else seed


def tabulate_foresight(found: Mapping[str, Sequence[Foresight]]) -> Table:
    """What a pilot says: a row a probe and length of a block, the shortest experiment first."""
    from workbench.table import Table

    rows = [
        (name, f"{one.block_s:g} s", f"{one.noise:.2%}", str(one.blocks), f"{one.total_s / 60:.1f} min")
        for name, each in found.items()
        for one in each
    ]
    rows += [(name, "", "", "", "the pilot was too short") for name, each in found.items() if not each]
    return Table(
        ("probe", "block, without wash-out", "noise of a pair", "blocks", "time to tell 2 %"),
        rows,
        right=("block, without wash-out", "noise of a pair", "blocks", "time to tell 2 %"),
    )
