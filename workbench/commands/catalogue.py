"""workloads, allocators, preload: what there is to run."""

from __future__ import annotations

import click

from workbench.allocators import DEFAULT_ALLOCATOR, get_allocator, loader_path
from workbench.api.listing import list_allocators, list_workloads
from workbench.commands.output import json_option, print_json, show_listing


@click.command()
@json_option
def workloads(as_json: bool) -> None:
    """List the workloads with their parameters."""
    show_listing(list_workloads(), as_json)


@click.command()
@json_option
def allocators(as_json: bool) -> None:
    """List the allocators; for one that is missing, name the package to install."""
    known = list_allocators()
    shown = ("name", "version", "library", "package", "available", "remedy", "kind")
    if as_json:
        print_json([{name: getattr(allocator, name) for name in shown} for allocator in known])
    else:
        show_listing(known, as_json)


@click.command()
@json_option
def preload(as_json: bool) -> None:
    """Print the path of the library to put into LD_PRELOAD."""
    library = get_allocator(DEFAULT_ALLOCATOR).library
    assert library is not None
    if as_json:
        print_json({"library": loader_path(library)})
    else:
        click.echo(loader_path(library))
