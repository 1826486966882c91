"""workloads, allocators, preload: what there is to run."""

from __future__ import annotations

import click

from workbench.api.listing import list_allocators, list_workloads
from workbench.commands.output import json_option, print_json, show_listing
from workbench.errors import MissingAllocator
from workbench.processes import get_allocator
from workbench.processes.loader_path import loader_path


@click.command()
@json_option
def workloads(as_json: bool) -> None:
    """List the workloads with their parameters."""
    show_listing(list_workloads(), as_json)


@click.command()
@json_option
def allocators(as_json: bool) -> None:
    """List the allocators, and which package brings a missing one."""
    show_listing(list_allocators(), as_json)


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
