"""ps, tunables, set, metrics: live processes and what their control blocks hold."""

from __future__ import annotations

import os

import click

from workbench.commands.arguments import (
    kind_option,
    open_process_block,
    parse_assignments,
    pid_argument,
    split_assignments,
)
from workbench.commands.output import json_option, print_json, print_table
from workbench.commands.sample import Reading, read_metrics
from workbench.control import ControlBlock, Tunable, Value, find_blocks
from workbench.units import format_quantity, format_rough


@click.command()
@json_option
def ps(as_json: bool) -> None:
    """List the processes that can be tuned."""
    # Loading the native parts gave this process an allocator too, which is gone before it can be tuned.
    blocks = [info for info in find_blocks() if info.pid != os.getpid()]
    if as_json:
        print_json(blocks)
        return
    columns: tuple[str, ...] = ("pid", "kind", "access", "build", "command")
    rows: list[tuple[object, ...]] = [
        (info.pid, info.kind, info.access, info.build, info.command) for info in blocks
    ]
    if any(info.where for info in blocks):  # in containers, or in other namespaces of processes
        columns = ("pid", "where", *columns[1:])
        rows = [(row[0], info.where, *row[1:]) for row, info in zip(rows, blocks, strict=True)]
    print_table(
        columns,
        rows,
        right=("pid",),
        shortened=("command",),
        dropped=("build", "access", "kind"),
    )


@click.command()
@click.argument("pid", metavar="[PID]", type=click.IntRange(min=1), required=False)
@kind_option
@json_option
def tunables(pid: int | None, kind: str | None, as_json: bool) -> None:
    """List the tunables of a process; without PID, the tunables and defaults of the allocator itself."""
    with ControlBlock.own() if pid is None else open_process_block(pid, kind) as block:
        known = block.tunables
        requested, effective, adoption = block.requested(), block.effective(), block.adoption()
        info = block.info
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
    rows = [_row(tunable, requested.values[name], effective.values[name]) for name, tunable in known.items()]
    columns: tuple[str, ...] = ("tunable", "value", "default", "range", "takes effect", "what it does")
    if pid is None:
        rows = [(row[0], *row[2:]) for row in rows]
        columns = (columns[0], *columns[2:])
    print_table(
        columns,
        rows,
        right=("value", "default"),
        wrapped=("what it does",),
        dropped=[name for name in ("what it does", "takes effect", "range", "default") if name in columns],
    )
    if pid is not None:
        click.echo(
            f"generation {requested.generation}, adopted by {adoption.adopted} of {adoption.threads} threads"
        )


@click.command("set")
@pid_argument
@click.argument("assignments", metavar="NAME=VALUE...", nargs=-1, required=True)
@kind_option
@json_option
def set_tunables(pid: int, assignments: tuple[str, ...], kind: str | None, as_json: bool) -> None:
    """Change tunables of a running process. If one value is refused, none is changed."""
    with open_process_block(pid, kind, split_assignments(assignments)) as block:
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
    with open_process_block(pid, kind) as block:
        readings = read_metrics(block.metrics, block.snapshot())
        info = block.info
    if as_json:
        entries = [_describe_reading(reading) for reading in readings]
        print_json({"pid": info.pid, "kind": info.kind, "build": info.build, "metrics": entries})
        return
    rows = [
        (
            reading.metric.name,
            _format_value(reading),
            reading.metric.help,
            " ".join(f"{label}:{format_rough(value)}" for label, value in reading.groups.items() if value),
        )
        for reading in readings
    ]
    print_table(
        ("metric", "value", "what it is", "by group"),
        rows,
        right=("value",),
        wrapped=("what it is", "by group"),
        dropped=("by group", "what it is"),
    )


def _row(tunable: Tunable, requested: Value, effective: Value) -> tuple[object, ...]:
    value = _format_bare(tunable, requested)
    if effective != requested:
        value += f" (still {_format_bare(tunable, effective)})"
    default = _format_bare(tunable, tunable.default)
    return (tunable.name, value, default, tunable.describe_range(), tunable.effect, tunable.help)


def _format_bare(tunable: Tunable, value: Value) -> str:
    """Format without the unit, which stands with the range."""
    return tunable.format(value).removesuffix(tunable.unit).rstrip()


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


def _format_value(reading: Reading) -> str:
    metric = reading.metric
    # A number that names something is no quantity to be rounded.
    is_name = metric.role in ("thread id", "adopted")
    return format_quantity(reading.value) if is_name else format_rough(reading.value, metric.unit)


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
