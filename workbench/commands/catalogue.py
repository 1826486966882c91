"""workloads, allocators, preload: what there is to run."""

from __future__ import annotations

import click

from workbench.allocators import DEFAULT_ALLOCATOR, get_allocator, loader_path
from workbench.api.listing import list_allocators, list_workloads
from workbench.commands.output import Answer, answering, pick


@click.command()
@answering
def workloads() -> Answer:
    """List the workloads with their parameters."""
    return Answer(list_workloads())


@click.command()
@answering
def allocators() -> Answer:
    """List the allocators; for one that is missing, name the package to install."""
    known = list_allocators()
    shown = "name version library package available remedy kind"
    return Answer([pick(allocator, shown) for allocator in known], known.to_table())


@click.command()
@answering
def preload() -> Answer:
    """Print the path of the library to put into LD_PRELOAD."""
    library = get_allocator(DEFAULT_ALLOCATOR).library
    assert library is not None
    return Answer({"library": loader_path(library)}, loader_path(library))
