"""tune-live: search settings on a running process or group, in live experiments."""

from __future__ import annotations

from collections.abc import Sequence
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
)
from workbench.commands.completion import complete_tunable
from workbench.commands.experiment import tell_effects
from workbench.commands.output import STATUS_FAILED, STATUS_WRONG_INPUT, Answer, answering
from workbench.commands.targets import Target, name_target, target_argument
from workbench.control import Tunable, Value
from workbench.errors import BadParameter, UnknownTunable, WorkbenchError, describe_unknown
from workbench.interrupt import STATUS_INTERRUPTED, ending_at_once
from workbench.units import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.probes.probe import Better
    from workbench.tuning import Bounds, LiveStudy

_FORMS = "NAME, NAME=LOW:HIGH, NAME=LOW:HIGH:STEP or NAME=VALUE,VALUE"


@click.command()
@target_argument
@click.option(
    "--range",
    "ranges",
    multiple=True,
    metavar="NAME=LOW:HIGH[:STEP]",
    shell_complete=complete_tunable,
    help="A tunable that may be changed, and how far; NAME alone: its whole range; NAME=VALUE,VALUE: these "
    "values. Repeatable.",
)
@live_setting_option("--a", "The present value of a tunable that cannot be read back. Repeatable.")
@click.option(
    "--better",
    type=click.Choice(["lower", "higher"]),
    help="Which way the first --probe improves, if the probe does not say it.",
)
@click.option(
    "--candidates", type=int, default=12, show_default=True, metavar="N", help="Number of settings to try."
)
@click.option(
    "--most-changes-per-hour",
    type=int,
    default=300,
    show_default=True,
    metavar="N",
    help="Most changes of settings in an hour; at the limit, the study waits.",
)
@click.option(
    "--hours",
    type=FiniteRange(0, 8760, min_open=True),
    default=4.0,
    show_default=True,
    metavar="H",
    help="Longest duration, the final comparison included.",
)
@live_options
@click.option("--keep", is_flag=True, help="Leave the process with what is proposed.")
@path_option(
    "--export", "export_path", help="Write what is proposed and its evidence; the ending tells the format."
)
@kind_option
@path_option("--output", metavar="FOLDER", help="Keep the study here, with its page study.html.")
@answering
def tune_live(
    target: Target,
    ranges: tuple[str, ...],
    a: tuple[str, ...],
    probes: tuple[str, ...],
    better: Better | None,
    seed: int | None,
    keep: bool,
    export_path: Path | None,
    kind: str | None,
    output: Path | None,
    **plan_options: Any,
) -> Answer:
    """Search for better settings on a running process or group, by live experiments.

    Each candidate takes turns with the best so far, for the first --probe; no other probe may become worse.
    The winner is compared once more with the former settings, and proposed if it is better. The process
    goes back to its former settings, also if this command is killed.
    """
    # Optuna, statistics and tables are slow to import, and other commands need none.
    with ending_at_once():
        from workbench.api.live import draw_seed
        from workbench.api.live_tuning import run_search, tell_export
        from workbench.api.processes import attach
        from workbench.api.settings import export_settings
        from workbench.commands.study_report import check_export_path
        from workbench.tuning import LiveStudyPlan, prepare_search

    if not ranges:
        raise BadParameter(f"say what may be changed: --range NAME=LOW:HIGH ({_FORMS})")
    if export_path is not None:
        check_export_path(export_path)
    with attach(target, kind, names=[text.partition("=")[0].strip() for text in ranges]) as block:
        search = read_ranges(ranges, block.tunables)
        plan = LiveStudyPlan(
            search, a=parse_assignments(a, block.tunables), seed=draw_seed(seed), **plan_options
        )
        one = prepare_search(block, plan, probes, better=better or "")
        study = run_search(one, block, keep=keep, output=output)
    answer = answer_study(study, target, tell_export(study, output))
    if export_path is not None and answer.status == 0:
        try:
            export_settings(study, export_path)
            said = f"wrote {export_path} with what is proposed and its evidence"
        except WorkbenchError as error:  # what the study found is shown in any case
            said, answer.status = f"workbench: {error}", STATUS_WRONG_INPUT
        answer.notes = [said]
    return answer


def answer_study(study: LiveStudy, target: Target, hint: str) -> Answer:
    """What came of a study; it failed if something ended it."""
    plain = msgspec.to_builtins(study)
    names = ("plan", "before", "trials", "ended", "restored", "is_kept", "took_s")
    report = name_target(target) | {name: plain[name] for name in names} | {"proposal": study.proposal}
    found = study.confirmation
    report["confirmation"] = (
        None if found is None else plain["confirmation"] | {"effects": tell_effects(found)}
    )
    report["words"] = study.describe()
    status = STATUS_FAILED if study.ended and not study.is_out_of_time else 0
    status = STATUS_INTERRUPTED if study.is_interrupted else status
    return Answer(report, study.to_table(), *filter(None, [hint]), status=status)


def read_ranges(texts: Sequence[str], known: Mapping[str, Tunable]) -> dict[str, Bounds | tuple[Value, ...]]:
    """Read --range, by tunable."""
    found: dict[str, Bounds | tuple[Value, ...]] = {}
    for text in texts:
        name, _, given = (part.strip() for part in text.partition("="))
        if name not in known:
            raise UnknownTunable(describe_unknown("tunable", name, known))
        if name in found:
            raise BadParameter(f"--range: {name} stands twice; give it once")
        found[name] = _read_range(known[name], given)
    return found


def _read_range(tunable: Tunable, given: str) -> Bounds | tuple[Value, ...]:
    from workbench.tuning import Bounds

    if given and ":" not in given:
        return tuple(tunable.parse(part) for part in given.split(","))
    parts = given.split(":") if given else []
    if len(parts) > 3:
        raise BadParameter(f"--range {tunable.name}={given}: give {_FORMS}")
    ends = [tunable.to_word(tunable.parse(part)) for part in parts[:2]]
    try:
        steps = [parse_quantity(part.strip(), tunable.unit) for part in parts[2:]]
    except ValueError as error:
        raise BadParameter(f"--range {tunable.name}: {error}") from None
    low, high, step = [*ends, *steps, None, None, None][:3]
    return Bounds(low, high, step=step)
