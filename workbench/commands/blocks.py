"""ps, tunables, set, metrics: live processes and what their control blocks hold."""

from __future__ import annotations

import contextlib
import dataclasses

import click

from workbench.allocators import get_allocator
from workbench.api.processes import attach, find_process_blocks, list_processes
from workbench.commands.arguments import (
    allocator_option,
    kind_option,
    optional_pid_argument,
    parse_assignments,
    pid_argument,
    split_assignments,
)
from workbench.commands.completion import complete_tunable
from workbench.commands.output import Answer, answering, pick

_TUNABLE = "name group unit type choices scale effect minimum maximum default environment help"


@click.command()
@answering
def ps() -> Answer:
    """List the processes that can be tuned."""
    return Answer(list_processes())


@click.command()
@optional_pid_argument
@kind_option
@allocator_option
@answering
def tunables(pid: int | None, kind: str | None, allocator_name: str) -> Answer:
    """List the tunables of a process; without PID, the tunables and defaults of the allocator itself."""
    own = contextlib.nullcontext(get_allocator(allocator_name).block) if pid is None else attach(pid, kind)
    with own as block:
        known, info, table = block.tunables, block.info, block.to_table()
        requested, effective, adoption = block.requested(), block.effective(), block.adoption()
    entries = {name: pick(tunable, _TUNABLE) for name, tunable in known.items()}
    if pid is None:
        value = table.columns.index("value")
        rows = [(*row[:value], *row[value + 1 :]) for row in table.rows]
        columns = [name for name in table.columns if name != "value"]
        table = dataclasses.replace(table, columns=columns, rows=rows, caption="", notes=())
        return Answer({"build": info.build, "tunables": list(entries.values())}, table)
    for name, entry in entries.items():
        entry |= {"requested": requested.values[name], "effective": effective.values[name]}
    facts = pick(info, "pid kind") | {"generation": requested.generation}
    facts |= {"effective_generation": effective.generation} | pick(adoption, "threads adopted")
    return Answer(facts | {"build": info.build, "tunables": list(entries.values())}, table)


@click.command("set")
@pid_argument
@click.argument(
    "assignments", metavar="NAME=VALUE...", nargs=-1, required=True, shell_complete=complete_tunable
)
@kind_option
@answering
def set_tunables(pid: int, assignments: tuple[str, ...], kind: str | None) -> Answer:
    """Change tunables of a running process. If one value is refused, none is changed."""
    with attach(pid, kind, names=split_assignments(assignments)) as block:
        known, before = block.tunables, block.requested().values
        values = parse_assignments(assignments, known)
        generation = block.set(values)
    effects = {name: known[name].effect for name in values}
    lines = [
        f"{name}: {known[name].format(before[name])} -> {known[name].format(value)}"
        + ("" if effects[name] == "live" else f" ({effects[name]})")
        for name, value in values.items()
    ]
    return Answer({"pid": pid, "generation": generation, "values": values, "effect": effects}, *lines)


@click.command()
@pid_argument
@kind_option
@click.option(
    "--format",
    "text_format",
    type=click.Choice(["table", "openmetrics"]),
    default="table",
    help="openmetrics: also the settings and what the system tells of the process, for Prometheus.",
)
@answering
def metrics(pid: int, kind: str | None, text_format: str) -> Answer:
    """Print every metric of a process once."""
    if text_format == "openmetrics":
        from prometheus_client.openmetrics.exposition import generate_latest

        from workbench.api.openmetrics import make_registry

        infos = find_process_blocks(pid, kind)
        text: bytes = generate_latest(make_registry(lambda: infos))  # type: ignore[no-untyped-call]
        return Answer(text.decode(), text.decode().rstrip())
    with attach(pid, kind) as block:
        snapshot, info = block.snapshot(), block.info
    entries = [
        pick(reading.metric, "name group unit kind axes help")
        | {"value": reading.value, "by_group": reading.groups}
        for reading in snapshot.readings()
    ]
    return Answer(pick(info, "pid kind build") | {"metrics": entries}, snapshot.to_table())
