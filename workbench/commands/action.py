"""do: an action of a running process, such as giving memory back."""

from __future__ import annotations

import time

import click

from workbench.api.processes import open_blocks
from workbench.commands.arguments import kind_option
from workbench.commands.output import Answer, answering, pick
from workbench.commands.targets import Target, answer_each, target_argument
from workbench.control import ControlBlock, Event
from workbench.errors import NoProcess
from workbench.units import format_rough

_PATIENCE_S = 10.0
_LOOK_S = 0.02


@click.command("do")
@target_argument
@click.argument("name", metavar="[NAME]", required=False)
@kind_option
@answering
def do_action(target: Target, name: str | None, kind: str | None) -> Answer:
    """Have a process or group do something, such as give memory back; without NAME, list what it can do."""
    if name is not None:
        return answer_each(target, kind, lambda block: _describe(_act(block, name)))
    with open_blocks(target, kind) as blocks:
        known = {action.name: action for block in blocks for action in block.actions.values()}
        kinds = ", ".join({block.info.kind for block in blocks})
    actions = [pick(action, "name help") for action in known.values()]
    lines = [f"{action['name']}: {action['help']}" for action in actions]
    return Answer(actions, *(lines or [f"{kinds} has no actions"]))


def _describe(event: Event) -> tuple[dict[str, object], list[str]]:
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
    raise NoProcess(
        f"process {block.info.pid} has not done '{name}' for {_PATIENCE_S:.0f} s: it may be stopped, or make "
        "no allocation; the action stays asked for"
    )
