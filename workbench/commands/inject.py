"""inject: a program that runs already gets a control block."""

from __future__ import annotations

import os
from pathlib import Path

import click

from workbench.allocators import AGENT
from workbench.commands.output import Answer, answering
from workbench.processes import check_injectable, inject, name_process


@click.command("inject")
@click.argument("pid", metavar="PID", type=click.IntRange(min=1))
@click.option("--yes", is_flag=True, help="Do not ask.")
@answering
def inject_agent(pid: int, yes: bool) -> Answer:
    """Load the agent into a program that runs already, so that its allocator can be tuned.

    What it does is said first, and nothing happens before the answer. gdb must be installed, and the program
    be this user's (root may take any). A program that runs under `workbench exec --agent=on-demand` has the
    library already and gets only its thread. If it does not work, the program goes on.
    """
    check_injectable(pid)
    if not yes:
        question = (
            f"gdb stops process {pid} ({name_process(pid)}) for some tenths of a second. Then one of its "
            f"threads loads {AGENT}, which starts a thread of its own and stays until the program ends. "
            "A call in which a thread waits may return early, as after a signal. Go on?"
        )
        click.confirm(question, abort=True, err=True)
    kinds, told = inject(pid)
    uid = Path(f"/proc/{pid}").stat().st_uid
    if uid != os.geteuid():
        told = [*told, f"it belongs to the user {uid}: tune it as that user"]
    line = f"process {pid} has a control block: {', '.join(kinds)}"
    return Answer({"pid": pid, "kinds": kinds, "told": told}, line, *told)
