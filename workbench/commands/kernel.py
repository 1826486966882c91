"""kernel: Jupyter kernels whose cells run under an allocator: install, list, remove."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click.decorators import FC

from workbench.allocators import get_allocator
from workbench.commands.arguments import (
    keep_pythonmalloc_option,
    path_option,
    read_settings,
    set_option,
    settings_option,
)
from workbench.commands.completion import complete_allocator, complete_kernel
from workbench.commands.output import Answer, answering
from workbench.errors import BadParameter


def _prefix_options(function: FC) -> FC:
    """Where kernels are if not this user's, in the words of `ipykernel install`."""
    for_all = path_option("--prefix", metavar="FOLDER", help="In FOLDER/share/jupyter, for all who use it.")
    here = click.option("--sys-prefix", is_flag=True, help="The same in the environment of this Python.")
    return for_all(here(function))


def _find_prefix(prefix: Path | None, sys_prefix: bool, user: bool = False) -> Path | None:
    if (prefix is not None) + sys_prefix + user > 1:
        raise BadParameter("--user, --prefix and --sys-prefix are several places; give one")
    return Path(sys.prefix) if sys_prefix else prefix


@click.group()
def kernel() -> None:
    """Install, list and remove Jupyter kernels whose cells run under an allocator.

    All take --json.
    """


@kernel.command()
@click.argument("allocators", metavar="[ALLOCATOR]...", nargs=-1, shell_complete=complete_allocator)
@click.option("--user", is_flag=True, help="For this user, which is the default.")
@_prefix_options
@click.option("--name", default="", help="What Jupyter calls it, if it is one kernel.")
@click.option("--display-name", "title", default="", help="What the pickers show, if it is one kernel.")
@set_option
@settings_option
@keep_pythonmalloc_option
@click.option(
    "--kernel-only",
    is_flag=True,
    help="Programs that cells start (!cmd, subprocess) run without the allocator and its settings.",
)
@answering
def install(
    allocators: tuple[str, ...],
    user: bool,
    prefix: Path | None,
    sys_prefix: bool,
    name: str,
    title: str,
    assignments: tuple[str, ...],
    settings_path: Path | None,
    keep_pythonmalloc: bool,
    kernel_only: bool,
) -> Answer:
    """Install a kernel for each ALLOCATOR, or for all that can be used here.

    JupyterLab and VS Code then offer "Python 3 (hakmem)" and so on. The kernels run the Python in which the
    workbench is installed.
    """
    from workbench.api.kernels import install_kernels

    settings = {}
    if assignments or settings_path is not None:
        if len(allocators) != 1:
            raise BadParameter("settings are those of one allocator; name it")
        settings = read_settings(settings_path, assignments, get_allocator(allocators[0]))
    installed = install_kernels(
        allocators,
        prefix=_find_prefix(prefix, sys_prefix, user),
        name=name,
        title=title,
        settings=settings,
        keeps_pythonmalloc=keep_pythonmalloc,
        is_kernel_only=kernel_only,
    )
    return Answer(
        installed, *(f"{one.title}: installed as {one.name} in {one.folder.parent}" for one in installed)
    )


@kernel.command("list")
@_prefix_options
@answering
def list_installed(prefix: Path | None, sys_prefix: bool) -> Answer:
    """List the kernels that the workbench installed, and what is wrong with them."""
    from workbench.api.kernels import list_kernels

    found = list_kernels(_find_prefix(prefix, sys_prefix))
    return Answer(found) if found else Answer([], "no kernel; `workbench kernel install` installs some")


@kernel.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_kernel)
@_prefix_options
@answering
def remove(names: tuple[str, ...], prefix: Path | None, sys_prefix: bool) -> Answer:
    """Remove kernels that the workbench installed, by NAME, or all of them. No other kernel is touched."""
    from workbench.api.kernels import remove_kernels

    removed = remove_kernels(names, _find_prefix(prefix, sys_prefix))
    running = [
        f"process {pid} is a kernel of {one.name} and goes on; Jupyter cannot start another"
        for one in removed
        for pid in one.pids
    ]
    lines = [f"{one.title}: removed from {one.folder.parent}" for one in removed] or ["no kernel of ours"]
    return Answer(removed, *lines, notes=running)
