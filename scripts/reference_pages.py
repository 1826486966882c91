"""The pages of the reference that are made from the code: names, tunables, metrics, events, commands.

Each function returns the text of one page in Markdown (MyST).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from types import ModuleType
from typing import TypeVar

import click

from scripts.public_names import list_public_names
from workbench.cli import cli
from workbench.control import ControlBlock, Metric, Tunable

_ENTRIES = {
    "class": ".. autoclass:: {name}\n   :members:",
    "function": ".. autofunction:: {name}",
    "data": ".. py:data:: {name}\n\n{text}",
}
_HELP_COLUMNS = 96
_Described = TypeVar("_Described", Tunable, Metric)


def write_rooms(rooms: Sequence[ModuleType]) -> str:
    """Write the list of the modules that have public names."""
    names = [room.__name__ for room in rooms]
    told = [" ".join((room.__doc__ or "").strip().split("\n\n")[0].split()) for room in rooms]
    rows = [(f"[{name}]({name}.md)", text) for name, text in zip(names, told, strict=True)]
    contents = "\n".join(names)
    return (
        "# Python\n\nThese modules have public names; every other module may change without notice.\n\n"
        f"{_write_table(('module', 'what it is for'), rows)}\n\n```{{toctree}}\n:hidden:\n\n{contents}\n```\n"
    )


def write_room(room: ModuleType) -> str:
    """Write the page of a room: a table of its names, then those that are documented here, each in full."""
    names = list_public_names(room)
    lines = [f".. module:: {room.__name__}", "", (room.__doc__ or "").strip(), ""]
    lines += [f".. currentmodule:: {room.__name__}", "", ".. autosummary::", "   :nosignatures:", ""]
    for name in names:
        if name.kind in ("class", "function"):
            path = f"{name.home}.{name.name}".removeprefix(f"{room.__name__}.")
            lines.append(f"   ~{path}" if "." in path else f"   {path}")
    for name in names:
        if name.home == room.__name__ and name.kind in _ENTRIES:
            text = textwrap.indent(name.text, "   ")
            lines += ["", _ENTRIES[name.kind].format(name=name.name, text=text)]
    body = "\n".join(lines)
    return f"# {room.__name__}\n\n```{{eval-rst}}\n{body}\n```\n"


def write_tunables(blocks: Sequence[ControlBlock]) -> str:
    """Write all tunables of control blocks, each with its range and what it does."""
    parts = [
        "# Tunables",
        "These tables are made from the descriptors in the control blocks. The environment variable in "
        "italics sets a tunable when the program starts; `workbench set` changes it while the program "
        "runs. The column *takes effect* says when a change acts: at once (*live*), in threads that are "
        "born later (*new threads*), or at the next start of the program (*start*).",
    ]
    for block in blocks:
        parts.append(f"## {block.info.kind}")
        # The parameters are those of the workload that ran; docs/workloads.md has them all.
        described = [one for one in block.tunables.values() if one.group != "Parameters"]
        for group, tunables in _group(described):
            rows = [
                (
                    f"`{tunable.name}`",
                    f"`{tunable.format(tunable.default)}`",
                    tunable.describe_range(),
                    tunable.effect,
                    f"{tunable.help} *{tunable.environment}*" if tunable.environment else tunable.help,
                )
                for tunable in tunables
            ]
            parts += [
                f"### {group}",
                _write_table(("tunable", "default", "range", "takes effect", "what it does"), rows),
            ]
        if block.actions:
            asked = [(f"`{action.name}`", action.help) for action in block.actions.values()]
            parts += ["### Actions", "`workbench do` asks for these:"]
            parts.append(_write_table(("action", "what it does"), asked))
        if block.constraints:
            parts += ["### Constraints", "A set of values must keep these relations:"]
            parts.append("\n".join(f"- `{constraint}`" for constraint in block.constraints))
    return "\n\n".join(parts) + "\n"


def write_metrics(blocks: Sequence[ControlBlock]) -> str:
    """Write all metrics and kinds of events of control blocks."""
    parts = [
        "# Metrics and events",
        "These tables are made from the descriptors in the control blocks. A *counter* only grows, and "
        "charts show its rate per second. A *gauge* goes up and down. A *quotient* or *difference* is "
        "computed from two other metrics. A metric with axes has a value for each thread, size class or "
        "shard.",
    ]
    for block in blocks:
        parts.append(f"## {block.info.kind}")
        for group, metrics in _group(block.metrics.values()):
            rows = [
                (f"`{metric.name}`", metric.kind, metric.unit, " × ".join(metric.axes), _explain(metric))
                for metric in metrics
            ]
            parts += [f"### {group}", _write_table(("metric", "kind", "unit", "axes", "what it is"), rows)]
        if block.event_kinds:
            events = [
                (f"`{kind.name}`", kind.unit, kind.axis or "", kind.help)
                for kind in block.event_kinds.values()
            ]
            parts += ["### Events", _write_table(("event", "unit", "axis", "what happened"), events)]
    return "\n\n".join(parts) + "\n"


def write_commands() -> str:
    """Write the help of every command."""
    parts = ["# Commands", "What `--help` prints. `workbench --help` lists the commands in this order, too."]
    for title, text in _list_help(cli, "workbench"):
        parts.append(f"## {title}\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def _list_help(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterable[tuple[str, str]]:
    context = click.Context(
        command, info_name=name, parent=parent, terminal_width=_HELP_COLUMNS, max_content_width=_HELP_COLUMNS
    )
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            assert child is not None
            yield from _list_help(child, child_name, context)


def _group(items: Iterable[_Described]) -> Iterable[tuple[str, list[_Described]]]:
    """Items under the headings of their components, which stand together in a control block."""
    for group, members in groupby(items, key=lambda item: item.group):
        yield group or "General", list(members)


def _explain(metric: Metric) -> str:
    sign = {"quotient": " / ", "difference": " − "}.get(metric.kind)
    return f"{metric.help} ({sign.join(f'`{name}`' for name in metric.operands)})" if sign else metric.help


def _write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
