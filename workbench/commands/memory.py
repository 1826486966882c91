"""memory: where the resident memory of a process or group is."""

from __future__ import annotations

import click

from workbench.api.processes import read_memory
from workbench.commands.arguments import kind_option
from workbench.commands.output import Answer, answering, pick
from workbench.commands.targets import Target, describe_foreign, name_target, target_argument
from workbench.table import Table

_CLASS = (
    "name in_use cached free slab_bytes resident_bytes in_use_bytes cached_bytes free_bytes fragmentation"
)


@click.command()
@target_argument
@kind_option
@click.option("--classes", "with_classes", is_flag=True, help="Also a row for each size class.")
@answering
def memory(target: Target, kind: str | None, with_classes: bool) -> Answer:
    """Show where the resident memory of a process or group is, in parts that add up.

    Read page by page from outside; the process is not stopped.
    """
    use = read_memory(target, kind)
    report = name_target(target) | pick(use, "resident_bytes parts unexplained_bytes huge_page_bytes notes")
    shown: list[Table | str] = [use.to_table()]
    if with_classes:
        report["classes"] = [pick(one, _CLASS) for one in use.classes]
        shown += ["", use.classes_to_table() if use.classes else "no size class is known"]
    return Answer(report, *shown, notes=describe_foreign(target))
