"""What a command acts on: a process, by its pid, or a group of processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from workbench.api.processes import attach
from workbench.commands.arguments import PidType
from workbench.commands.completion import complete_pid
from workbench.commands.output import STATUS_FAILED, STATUS_WRONG_INPUT, Answer, pick
from workbench.control import ControlBlock
from workbench.errors import BadParameter
from workbench.table import Table

if TYPE_CHECKING:
    from workbench.processes.group import Group, GroupAnswer

Target: TypeAlias = "int | Group"


class TargetType(click.ParamType["int | Group"]):
    """A pid, or a group such as command:postgres."""

    name = "target"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        """Read it."""
        if ":" not in value and not (value.isascii() and value.isdecimal()):
            self.fail(f"'{value}' is neither a pid nor a group such as command:{value}", param, ctx)
        if ":" not in value:
            return PidType().convert(value, param, ctx)
        from workbench.processes.group import parse_group  # slow to import, and most targets are pids

        try:
            return parse_group(value)
        except BadParameter as error:
            self.fail(str(error), param, ctx)


target_argument = click.argument(
    "target", metavar="PID|GROUP", type=TargetType(), shell_complete=complete_pid
)
optional_target_argument = click.argument(
    "target", metavar="[PID|GROUP]", type=TargetType(), required=False, shell_complete=complete_pid
)
targets_argument = click.argument(
    "targets", metavar="[PID|GROUP]...", type=TargetType(), nargs=-1, shell_complete=complete_pid
)


def name_target(target: Target) -> dict[str, object]:
    """What --json says of whose an answer is."""
    return {"pid": target} if isinstance(target, int) else {"group": str(target)}


def describe_foreign(target: Target) -> list[str]:
    """A line about those of a group that belong to another user, if there are any."""
    return [] if isinstance(target, int) else list(filter(None, [target.describe_foreign()]))


def answer_each(
    target: Target,
    kind: str | None,
    act: Callable[[ControlBlock], tuple[dict[str, object], list[str]]],
    names: Iterable[str] = (),
) -> Answer:
    """Do something with a process, or with each of a group.

    `act` returns what --json prints and the lines that people read. Where the kind does not tell which
    control block of a process is meant, the names of its tunables do. The answer of a group has a row a
    process; its status says whether some or all of them refused.
    """
    if isinstance(target, int):
        with attach(target, kind, names=names) as block:
            value, lines = act(block)
        return Answer(name_target(target) | value, *lines)
    answers = target.each(act, kind)
    entries = [
        pick(one.info, "pid kind") | (one.value[0] if one.value else {"error": one.reason}) for one in answers
    ]
    columns: dict[str, Callable[[GroupAnswer[Any]], object]] = {
        "pid": lambda one: one.info.pid,
        "answer": lambda one: "; ".join(one.value[1]) if one.value else f"refused: {one.reason}",
        "command": lambda one: one.info.command,
    }
    table = Table.of(
        answers, columns, right=("pid",), wrapped=("answer",), shortened=("command",), dropped=("command",)
    )
    notes = describe_foreign(target)
    refused = sum(one.value is None for one in answers)
    status = STATUS_FAILED if refused or notes else 0
    if refused == len(answers) and not any(one.is_late for one in answers):
        status = STATUS_WRONG_INPUT
    return Answer(name_target(target) | {"processes": entries}, table, notes=notes, status=status)
