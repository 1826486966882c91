"""workloads, allocators, preload: what there is to run."""

from __future__ import annotations

import click

from workbench.commands.output import json_option, print_json, print_table
from workbench.errors import MissingAllocator
from workbench.processes import allocators as list_allocators
from workbench.processes import get_allocator
from workbench.processes.loader_path import loader_path
from workbench.units import format_number
from workbench.workloads import known_workloads


@click.command()
@json_option
def workloads(as_json: bool) -> None:
    """List the workloads with their parameters."""
    known = known_workloads()
    if as_json:
        print_json(list(known.values()))
        return
    rows: list[tuple[object, ...]] = []
    for workload in known.values():
        rows.append((workload.name, "", "", f"{workload.help} Stresses: {workload.stresses}"))
        for parameter in workload.parameters:
            low, high = format_number(parameter.minimum), format_number(parameter.maximum)
            span = f"{low}..{high} {parameter.unit}".rstrip()
            rows.append((f"  {parameter.name}", format_number(parameter.default), span, parameter.help))
    print_table(
        ("workload", "default", "range", "what it does"),
        rows,
        right=("default",),
        wrapped=("what it does",),
        dropped=("range", "default"),
    )


@click.command()
@json_option
def allocators(as_json: bool) -> None:
    """List the allocators; for one that is missing, name the package to install."""
    known = list_allocators()
    if as_json:
        print_json(known)
        return
    rows = [
        (
            allocator.name,
            allocator.version or "",
            (allocator.library or "the C library's own")
            if allocator.available
            else f"not at hand: {allocator.remedy}",
        )
        for allocator in known
    ]
    print_table(("allocator", "version", "library"), rows, wrapped=("library",), dropped=("version",))


@click.command()
@json_option
def preload(as_json: bool) -> None:
    """Print the path of the library to put into LD_PRELOAD."""
    allocator = get_allocator("hakmem")
    if allocator.library is None or not allocator.available:
        raise MissingAllocator(f"libhakmem.so is not built; {allocator.remedy}")
    if as_json:
        print_json({"library": loader_path(allocator.library)})
    else:
        click.echo(loader_path(allocator.library))
