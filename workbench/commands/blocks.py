"""ps, tunables, set, do, metrics: live processes, what their control blocks hold, and what they are told."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from pathlib import Path

import click
from click.core import ParameterSource

from workbench.allocators import get_allocator, rows
from workbench.api.processes import find_target_blocks, list_processes, open_blocks
from workbench.commands.arguments import (
    allocator_option,
    kind_option,
    parse_assignments,
    split_assignments,
)
from workbench.commands.completion import complete_tunable
from workbench.commands.output import Answer, answering, pick
from workbench.commands.targets import (
    Target,
    answer_each,
    describe_foreign,
    name_target,
    optional_target_argument,
    target_argument,
)
from workbench.control import (
    ControlBlock,
    Event,
    Reading,
    tabulate_readings,
    tabulate_tunables,
)
from workbench.errors import BadParameter, NotDone
from workbench.units import format_rough

_TUNABLE = "name group unit type choices scale effect minimum maximum default environment help"
_PATIENCE_S = 10.0
_LOOK_S = 0.02


@click.command()
@answering
def ps() -> Answer:
    """List the processes that can be tuned."""
    return Answer(list_processes())


@click.command()
@optional_target_argument
@kind_option
@allocator_option
@answering
def tunables(target: Target | None, kind: str | None, allocator_name: str) -> Answer:
    """List the tunables of a process or group; without one, those and the defaults of the allocator."""
    if target is None:
        block = get_allocator(allocator_name).block
        table = tabulate_tunables([block])
        value = table.columns.index("value")
        rows = [(*row[:value], *row[value + 1 :]) for row in table.rows]
        columns = [name for name in table.columns if name != "value"]
        entries = [pick(tunable, _TUNABLE) for tunable in block.tunables.values()]
        table = dataclasses.replace(table, columns=columns, rows=rows)
        return Answer({"build": block.info.build, "tunables": entries}, table)
    context = click.get_current_context()
    if context.get_parameter_source("allocator_name") is not ParameterSource.DEFAULT:
        raise BadParameter(
            f"--allocator {allocator_name} lists the defaults of an allocator, and {target} has one already: "
            "leave out one of them"
        )
    with open_blocks(target, kind) as blocks:
        if isinstance(target, int):
            return Answer(_report_tunables(blocks[0]), blocks[0].to_table())
        members = [one for block in blocks for one in block.members]
        table = dataclasses.replace(tabulate_tunables(members), caption=f"{target}: {len(members)} processes")
        report = name_target(target) | {"processes": [_report_tunables(one) for one in members]}
        return Answer(report, table, notes=describe_foreign(target))


def _report_tunables(block: ControlBlock) -> dict[str, object]:
    info, requested, effective, adoption = block.info, block.requested(), block.effective(), block.adoption()
    entries = [
        pick(tunable, _TUNABLE) | {"requested": requested.values[name], "effective": effective.values[name]}
        for name, tunable in block.tunables.items()
    ]
    facts = pick(info, "pid kind") | {"generation": requested.generation}
    facts |= {"effective_generation": effective.generation} | pick(adoption, "threads adopted")
    return facts | {"build": info.build, "tunables": entries}


@click.command("set")
@target_argument
@click.argument(
    "assignments", metavar="NAME=VALUE...", nargs=-1, required=True, shell_complete=complete_tunable
)
@kind_option
@answering
def set_tunables(target: Target, assignments: tuple[str, ...], kind: str | None) -> Answer:
    """Change tunables of a process or group. If a process refuses one value, it keeps all it had."""

    def change(block: ControlBlock) -> tuple[dict[str, object], list[str]]:
        known, before = block.tunables, block.requested().values
        values = parse_assignments(assignments, known)
        generation = block.set(values) if isinstance(target, int) else target.set_one(block, values)
        effects = {name: known[name].effect for name in values}
        lines = [
            f"{name}: {known[name].format(before[name])} -> {known[name].format(value)}"
            + ("" if effects[name] == "live" else f" ({effects[name]})")
            for name, value in values.items()
        ]
        return {"generation": generation, "values": values, "effect": effects}, lines

    return answer_each(target, kind, change, names=split_assignments(assignments))


@click.command("do")
@target_argument
@click.argument("name", metavar="[NAME]", required=False)
@kind_option
@answering
def do_action(target: Target, name: str | None, kind: str | None) -> Answer:
    """Have a process or group do something, such as give memory back; without NAME, list what it can do."""
    if name is not None:
        return answer_each(target, kind, lambda block: _report_event(_act(block, name)))
    with open_blocks(target, kind) as blocks:
        known = {action.name: action for block in blocks for action in block.actions.values()}
        kinds = ", ".join({block.info.kind for block in blocks})
    actions = [pick(action, "name help") for action in known.values()]
    lines = [f"{action['name']}: {action['help']}" for action in actions]
    return Answer(actions, *(lines or [f"{kinds} has no actions"]))


def _report_event(event: Event) -> tuple[dict[str, object], list[str]]:
    unit = event.kind_info.unit
    before, after = format_rough(event.old_value, unit), format_rough(event.new_value, unit)
    report = {"action": event.item, "before": event.old_value, "after": event.new_value, "unit": unit}
    return report, [f"{event.item}: {before} -> {after} resident"]


def _act(block: ControlBlock, name: str) -> Event:
    """Ask for an action and wait until it is done: the event that tells what came of it."""
    cursor = block.events(0).cursor
    block.act(name)
    end_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end_s:
        asked, done = block.action_counts()[name]
        if done >= asked:
            found = [one for one in block.select_done(block.events(cursor)) if one.item == name]
            if found:
                return found[-1]
        time.sleep(_LOOK_S)
    raise NotDone(
        f"process {block.info.pid} has not done '{name}' for {_PATIENCE_S:.3g} s: {_tell_remedy(block)}; the "
        "action stays asked for"
    )


def _tell_remedy(block: ControlBlock) -> str:
    """Why a process may not do what it is asked to, and what helps."""
    pid = block.info.pid
    with contextlib.suppress(OSError):
        if "\nState:\tT" in Path(f"/proc/{pid}/status").read_text(encoding="utf-8"):
            return f"it is stopped; `kill -CONT {pid}` lets it go on"
    row = next((row for row in rows() if row.kind == block.info.kind and not row.in_process), None)
    words = "it allocates nothing; give it work, such as a request if it is a server"
    effective = block.effective().values
    late = {name: value for name, value in (row.upkeep if row else {}).items() if effective[name] != value}
    start = " ".join(f"--set {name}={block.tunables[name].format(value)}" for name, value in late.items())
    return f"{words}, or start it with {start}" if start else words


@click.command()
@target_argument
@kind_option
@click.option(
    "--format",
    "text_format",
    type=click.Choice(["table", "openmetrics"]),
    default="table",
    help="openmetrics: also the settings and what the system tells of the process, for Prometheus.",
)
@answering
def metrics(target: Target, kind: str | None, text_format: str) -> Answer:
    """Print every metric of a process or group once; for a group, sums, or lowest..highest."""
    notes = describe_foreign(target)
    if text_format == "openmetrics":
        from prometheus_client.openmetrics.exposition import generate_latest

        from workbench.api.openmetrics import make_registry

        infos = find_target_blocks(target, kind)
        text: bytes = generate_latest(make_registry(lambda: infos))  # type: ignore[no-untyped-call]
        return Answer(text.decode(), text.decode().rstrip(), notes=notes)
    with open_blocks(target, kind) as blocks:
        readings = [reading for block in blocks for reading in block.snapshot().readings()]
        facts = [pick(one.info, "pid kind build") for block in blocks for one in block.members]
    whose = facts[0] if isinstance(target, int) else name_target(target) | {"processes": facts}
    report = whose | {"metrics": [_report_reading(reading) for reading in readings]}
    return Answer(report, tabulate_readings(readings), notes=notes)


def _report_reading(reading: Reading) -> dict[str, object]:
    report = pick(reading.metric, "name group unit kind axes help")
    report |= {"value": reading.value, "by_group": reading.groups}
    return report if reading.lowest is None else report | {"lowest": reading.lowest}
