"""experiment: two settings in alternation on a running process or group."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from workbench.commands.arguments import (
    FiniteRange,
    kind_option,
    live_options,
    live_setting_option,
    parse_assignments,
    path_option,
    split_assignments,
)
from workbench.commands.output import STATUS_FAILED, Answer, answering, pick
from workbench.commands.targets import Target, name_target, target_argument
from workbench.interrupt import STATUS_INTERRUPTED, ending_at_once

if TYPE_CHECKING:
    from workbench.experiments.live_result import LiveResult


@click.command()
@target_argument
@live_setting_option(
    "--a", "A tunable of A, which is restored at the end; by default the value it has now. Repeatable."
)
@live_setting_option("--b", "A tunable of B, which is tried. Repeatable.")
@live_options
@click.option(
    "--pilot",
    "pilot_s",
    type=FiniteRange(1, 86400),
    metavar="S",
    help="Only watch for this time, change nothing, and say how long it takes to detect 2 %.",
)
@kind_option
@path_option(
    "--output", metavar="FOLDER", help="Keep the result here; a former one stays, as experiment.1.json."
)
@answering
def experiment(
    target: Target,
    a: tuple[str, ...],
    b: tuple[str, ...],
    probes: tuple[str, ...],
    pilot_s: float | None,
    seed: int | None,
    kind: str | None,
    output: Path | None,
    **design: Any,
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
        plan = LivePlan(at_a, at_b, seed=draw_seed(seed), **design)
        one = prepare_experiment(block, plan, probes)
        if pilot_s is not None:
            if pilot_s < one.least_pilot_s:
                raise BadParameter(
                    f"--pilot {pilot_s:g}: it is too short to foretell anything; give at least "
                    f"{one.least_pilot_s:g} s"
                )
            found = one.pilot(pilot_s)
            return Answer(name_target(target) | {"foresight": found}, tabulate_foresight(found))
        result = run_experiment(one, output)
    plain = msgspec.to_builtins(result)
    report = name_target(target) | {
        name: plain[name] for name in ("plan", "ended", "restored", "time_blocks")
    }
    report |= {"effects": tell_effects(result)}
    status = STATUS_INTERRUPTED if result.is_interrupted else 0 if result.is_whole else STATUS_FAILED
    return Answer(report, result.to_table(), status=status)


def tell_effects(result: LiveResult) -> dict[str, dict[str, object]]:
    """What B does to each probe, as JSON."""
    return {
        probe.name: pick(effect.ratio, "estimate low high verdict_low verdict_high pairs")
        | {"verdict": result.describe(probe, effect), "carry_over": effect.carry_over}
        for probe, effect in zip(result.judged, result.effects.values(), strict=True)
    }
