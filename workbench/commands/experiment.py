"""experiment: two settings in alternation on a running process or group."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import msgspec
from click.decorators import FC

from workbench.commands.arguments import (
    FiniteRange,
    kind_option,
    parse_assignments,
    path_option,
    split_assignments,
)
from workbench.commands.completion import complete_tunable
from workbench.commands.output import STATUS_FAILED, Answer, answering, pick
from workbench.commands.targets import Target, name_target, target_argument
from workbench.interrupt import STATUS_INTERRUPTED, ending_at_once


def _settings_option(name: str, text: str) -> Callable[[FC], FC]:
    return click.option(name, multiple=True, metavar="NAME=VALUE", shell_complete=complete_tunable, help=text)


@click.command()
@target_argument
@_settings_option(
    "--a", "A tunable of A, which is restored at the end; by default the value it has now. Repeatable."
)
@_settings_option("--b", "A tunable of B, which is tried. Repeatable.")
@click.option(
    "--probe",
    "probes",
    multiple=True,
    required=True,
    metavar="PROBE",
    help="What is judged: a name such as process.resident, a metric of the process, or "
    "NAME:UNIT,higher=SOURCE (lower, counter), where SOURCE is a command that prints a number, file:PATH or "
    "http://127.0.0.1:PORT/PATH#METRIC. Repeatable.",
)
@click.option(
    "--blocks", type=int, default=40, show_default=True, metavar="N", help="Number of time blocks; even."
)
@click.option(
    "--block-seconds",
    "block_s",
    type=FiniteRange(0.01, 86400),
    default=20.0,
    show_default=True,
    metavar="S",
    help="Length of a block, with its wash-out.",
)
@click.option(
    "--wash-out",
    "wash_out_s",
    type=FiniteRange(0, 86400),
    default=2.0,
    show_default=True,
    metavar="S",
    help="The first part of each block, which is not measured.",
)
@click.option(
    "--looks",
    type=int,
    default=1,
    show_default=True,
    metavar="N",
    help="How often the result is looked at; the experiment ends once all is told.",
)
@click.option(
    "--guard",
    "guards",
    multiple=True,
    metavar="PROBE<LIMIT",
    help="End at once, and restore A, when this does not hold any more; also PROBE>LIMIT. Repeatable.",
)
@click.option(
    "--period",
    "period_s",
    type=FiniteRange(0.01, 3600),
    metavar="S",
    help="Time between two readings of a probe; by default each probe's own.",
)
@click.option(
    "--pilot",
    "pilot_s",
    type=FiniteRange(1, 86400),
    metavar="S",
    help="Only watch for so long, change nothing, and say how long it takes to tell 2 %.",
)
@click.option("--seed", type=int, metavar="N", help="Determines the order of the blocks; drawn by default.")
@kind_option
@path_option("--output", metavar="FOLDER", help="Keep the result here.")
@answering
def experiment(
    target: Target,
    a: tuple[str, ...],
    b: tuple[str, ...],
    probes: tuple[str, ...],
    blocks: int,
    block_s: float,
    wash_out_s: float,
    looks: int,
    guards: tuple[str, ...],
    period_s: float | None,
    pilot_s: float | None,
    seed: int | None,
    kind: str | None,
    output: Path | None,
) -> Answer:
    """Let two settings take turns on a running process or group, and say what B does.

    Blocks come in pairs; a coin decides which setting comes first. The process goes back to A at the end, at
    Ctrl-C, and also if this command is killed. A verdict requires that the 99 % confidence interval of the
    ratio of B to A lies entirely outside ±1 %.
    """
    # Statistics and tables are slow to import, and other commands need none.
    with ending_at_once():
        from workbench.api.live import draw_seed, run_experiment, tabulate_foresight
        from workbench.api.processes import attach
        from workbench.errors import BadParameter
        from workbench.experiments.live import prepare_experiment
        from workbench.experiments.live_result import LivePlan

    if not b:
        raise BadParameter("say what is tried: --b NAME=VALUE")
    with attach(target, kind, names=split_assignments(b)) as block:
        at_a, at_b = (parse_assignments(texts, block.tunables) for texts in (a, b))
        plan = LivePlan(at_a, at_b, blocks, block_s, wash_out_s, looks, draw_seed(seed), (), guards, period_s)
        one = prepare_experiment(block, plan, probes)
        if pilot_s is not None:
            found = one.pilot(pilot_s)
            return Answer(name_target(target) | {"foresight": found}, tabulate_foresight(found))
        result = run_experiment(one, output)
    effects = {
        probe.name: pick(effect.ratio, "estimate low high verdict_low verdict_high pairs")
        | {"verdict": result.describe(probe, effect), "carry_over": effect.carry_over}
        for probe, effect in zip(result.judged, result.effects.values(), strict=True)
    }
    plain = msgspec.to_builtins(result)
    report = name_target(target) | {
        name: plain[name] for name in ("plan", "ended", "restored", "time_blocks")
    }
    report |= {"effects": effects}
    failed = bool(result.ended) and not result.ended.startswith("all was told")
    status = STATUS_INTERRUPTED if result.is_interrupted else STATUS_FAILED if failed else 0
    return Answer(report, result.to_table(), status=status)
