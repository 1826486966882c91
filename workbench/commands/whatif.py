"""whatif: what caches of other sizes would do in a running process, and what that advises."""

from __future__ import annotations

import click

from workbench.commands.arguments import FiniteRange, kind_option, rows_option
from workbench.commands.output import Answer, answering
from workbench.commands.targets import Target, describe_foreign, name_target, target_argument


@click.command()
@target_argument
@kind_option
@click.option(
    "--seconds",
    type=FiniteRange(0.05, 3600),
    default=2.0,
    show_default=True,
    metavar="S",
    help="How long to look; the longer, the better the estimate.",
)
@rows_option
@answering
def whatif(target: Target, kind: str | None, seconds: float, rows: int) -> Answer:
    """Tell what larger and smaller caches would do in a running process, and advise.

    The allocator makes these estimates while the program runs. If they are off, this command says how to turn
    them on. An exchange is a refill or a flush of a thread's cache. The memory is what all caches hold on
    average. Two more tables tell which share of the large allocations a cache of freed blocks would serve, by
    its size and by how long it keeps blocks.
    """
    from workbench.api.processes import attach

    with attach(target, kind) as block:
        told = block.whatif(seconds)
    nothing = [] if told.allocators else ["nothing was allocated meanwhile"]
    notes = [*describe_foreign(target), *nothing, *told.notes]
    return Answer(name_target(target) | told.to_dict(), *told.tabulate(rows), notes=notes)
