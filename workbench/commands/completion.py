"""What a shell completes: commands, options, and names of what there is; and the script that a shell needs.

A name is looked up when somebody presses Tab, so each function imports only what it needs, and none fails:
where something cannot be read there is nothing to complete.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

import click
from click.shell_completion import BashComplete, CompletionItem, get_completion_class

from workbench.commands.output import Answer, answering
from workbench.errors import WorkbenchError

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_SHELLS = ("bash", "zsh", "fish")
# Bash would write a blank behind NAME=, where the value is to follow.
_PLAIN_WORD = "COMPREPLY+=($value)"
_WORD_BEFORE_VALUE = f"{_PLAIN_WORD}\n            [[ $value == *= ]] && compopt -o nospace"


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@answering
@click.pass_context
def completion(ctx: click.Context, shell: str) -> Answer:
    """Print the script with which a shell completes this command.

    \b
    bash: workbench completion bash > ~/.local/share/bash-completion/completions/workbench
    zsh:  workbench completion zsh > "${fpath[1]}/_workbench"
    fish: workbench completion fish > ~/.config/fish/completions/workbench.fish
    """  # noqa: D301 (click reads the backspace)
    root = ctx.find_root()
    name = root.info_name or "workbench"
    kind = get_completion_class(shell)
    assert kind is not None
    # Not `source`: for bash it starts one to see its version.
    script = kind(root.command, {}, name, f"_{name.upper()}_COMPLETE")
    text = script.source_template % script.source_vars()
    if kind is BashComplete:
        text = text.replace(_PLAIN_WORD, _WORD_BEFORE_VALUE)
    return Answer({"shell": shell, "script": text}, text.removesuffix("\n"))


def _completer(list_names: Callable[[click.Context], Iterable[tuple[str, str]]]) -> Completer:
    """Complete from pairs of a name and what it is."""

    @functools.wraps(list_names)
    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        # Of a list with commas it is the last name that is written now.
        before, comma, begun = incomplete.rpartition(",")
        try:
            found = [(name, text) for name, text in list_names(ctx) if name.startswith(begun)]
        except (WorkbenchError, OSError):
            found = []
        return [CompletionItem(f"{before}{comma}{name}", help=text) for name, text in found]

    return complete


@_completer
def complete_workload(_: click.Context) -> Iterable[tuple[str, str]]:
    """Workloads of the catalogue."""
    from workbench.workloads import known_workloads

    return [(workload.name, workload.help) for workload in known_workloads().values()]


@_completer
def complete_allocator(_: click.Context) -> Iterable[tuple[str, str]]:
    """Allocators, one or several with commas between."""
    from workbench.allocators import allocators

    return [(allocator.name, allocator.version or "") for allocator in allocators()]


@_completer
def complete_tunable(ctx: click.Context) -> Iterable[tuple[str, str]]:
    """NAME= of the tunables: of the process or the allocator that the command line names."""
    from workbench.allocators import DEFAULT_ALLOCATOR, get_allocator
    from workbench.api.processes import find_target_blocks
    from workbench.control import ControlBlock

    target = ctx.params.get("target")
    paths = [] if target is None else [info.path for info in find_target_blocks(target)]
    allocator = ctx.params.get("allocator_name") or DEFAULT_ALLOCATOR
    blocks = [ControlBlock.open(path) for path in paths] or [get_allocator(allocator).block]
    return {f"{one.name}=": one.help for block in blocks for one in block.tunables.values()}.items()


@_completer
def complete_dataset(_: click.Context) -> Iterable[tuple[str, str]]:
    """Traces that ship with the workbench."""
    from workbench.traces.format import SUFFIX
    from workbench.traces.places import datasets_folder

    return [(path.stem, "") for path in sorted(datasets_folder().glob(f"*{SUFFIX}"))]


@_completer
def complete_kernel(_: click.Context) -> Iterable[tuple[str, str]]:
    """Kernels that the workbench installed."""
    from workbench.api.kernels import list_kernels

    return [(kernel.name, kernel.title) for kernel in list_kernels()]


@_completer
def complete_pid(_: click.Context) -> Iterable[tuple[str, str]]:
    """Processes that can be tuned."""
    from workbench.control import find_blocks

    return [(str(info.pid), info.command) for info in find_blocks()]


def complete_trace(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Datasets by name, else files."""
    return complete_dataset(ctx, parameter, incomplete) or [CompletionItem(incomplete, type="file")]
