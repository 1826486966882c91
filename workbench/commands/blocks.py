"""ps, tunables, set, metrics: live processes and what their control blocks hold."""

from __future__ import annotations

import contextlib
import dataclasses

import click

from workbench.allocators import get_allocator
from workbench.api.processes import attach, list_processes
from workbench.commands.arguments import (
    allocator_option,
    kind_option,
    optional_pid_argument,
    parse_assignments,
    pid_argument,
    split_assignments,
)
from workbench.commands.completion import complete_tunable
from workbench.commands.output import json_option, print_json, show_listing, show_table
from workbench.control import Reading, Tunable


@click.command()
@json_option
def ps(as_json: bool) -> None:
    """List the processes that can be tuned."""
    show_listing(list_processes(), as_json)


@click.command()
@optional_pid_argument
@kind_option
@allocator_option
@json_option
def tunables(pid: int | None, kind: str | None, allocator_name: str, as_json: bool) -> None:
    """List the tunables of a process; without PID, the tunables and defaults of the allocator itself."""
    own = contextlib.nullcontext(get_allocator(allocator_name).block) if pid is None else attach(pid, kind)
    with own as block:
        known = block.tunables
        requested, effective, adoption = block.requested(), block.effective(), block.adoption()
        info, table = block.info, block.to_table()
    if as_json:
        entries = [
            _describe(tunable)
            | (
                {}
                if pid is None
                else {"requested": requested.values[name], "effective": effective.values[name]}
            )
            for name, tunable in known.items()
        ]
        header: dict[str, object] = {"build": info.build, "tunables": entries}
        if pid is not None:
            header = {
                "pid": info.pid,
                "kind": info.kind,
                "generation": requested.generation,
                "effective_generation": effective.generation,
                "threads": adoption.threads,
                "adopted": adoption.adopted,
            } | header
        print_json(header)
        return
    if pid is None:
        value = table.columns.index("value")
        rows = [(*row[:value], *row[value + 1 :]) for row in table.rows]
        columns = [name for name in table.columns if name != "value"]
        table = dataclasses.replace(table, columns=columns, rows=rows, caption="", notes=())
    show_table(table)


@click.command("set")
@pid_argument
@click.argument(
    "assignments", metavar="NAME=VALUE...", nargs=-1, required=True, shell_complete=complete_tunable
)
@kind_option
@json_option
def set_tunables(pid: int, assignments: tuple[str, ...], kind: str | None, as_json: bool) -> None:
    """Change tunables of a running process. If one value is refused, none is changed."""
    with attach(pid, kind, names=split_assignments(assignments)) as block:
        values = parse_assignments(assignments, block.tunables)
        before = block.requested().values
        generation = block.set(values)
        known = block.tunables
        effects = {name: known[name].effect for name in values}
    if as_json:
        print_json({"pid": pid, "generation": generation, "values": values, "effect": effects})
        return
    for name, value in values.items():
        when = "" if effects[name] == "live" else f" ({effects[name]})"
        click.echo(f"{name}: {known[name].format(before[name])} -> {known[name].format(value)}{when}")


@click.command()
@pid_argument
@kind_option
@json_option
def metrics(pid: int, kind: str | None, as_json: bool) -> None:
    """Print every metric of a process once."""
    with attach(pid, kind) as block:
        snapshot, info = block.snapshot(), block.info
    if as_json:
        entries = [_describe_reading(reading) for reading in snapshot.readings()]
        print_json({"pid": info.pid, "kind": info.kind, "build": info.build, "metrics": entries})
    else:
        show_table(snapshot.to_table())


def _describe(tunable: Tunable) -> dict[str, object]:
    return {
        "name": tunable.name,
        "group": tunable.group,
        "unit": tunable.unit,
        "type": tunable.type,
        "choices": tunable.choices,
        "scale": tunable.scale,
        "effect": tunable.effect,
        "minimum": tunable.minimum,
        "maximum": tunable.maximum,
        "default": tunable.default,
        "environment": tunable.environment,
        "help": tunable.help,
    }


def _describe_reading(reading: Reading) -> dict[str, object]:
    metric = reading.metric
    return {
        "name": metric.name,
        "group": metric.group,
        "unit": metric.unit,
        "kind": metric.kind,
        "axes": metric.axes,
        "value": reading.value,
        "by_group": reading.groups,
        "help": metric.help,
    }
