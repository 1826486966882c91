"""Live processes and groups of them: which there are, and their control blocks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING

from workbench.allocators import is_linked
from workbench.api.arguments import checks_arguments
from workbench.control import WORKLOAD_KIND, BlockInfo, ControlBlock, find_blocks, find_path
from workbench.display import Listing
from workbench.errors import NoProcess
from workbench.table import Table

if TYPE_CHECKING:
    from workbench.memory import MemoryUse
    from workbench.processes.group import Group


def list_processes() -> Listing[BlockInfo]:
    """List the processes that can be tuned, one for each control block; children follow their parents."""
    # Loading the native parts gave this process an allocator that serves nothing but a run in this process.
    found = [info for info in find_blocks() if info.pid != os.getpid() or not is_linked(info.kind)]
    lines = {info.pid: _find_line(info.pid, {info.pid for info in found}) for info in found}
    blocks = sorted(found, key=lambda info: (lines[info.pid], info.kind))
    columns: dict[str, Callable[[BlockInfo], object]] = {
        name: attrgetter(name) for name in ("pid", "where", "kind", "access", "build")
    }
    columns["command"] = lambda info: "  " * (len(lines[info.pid]) - 1) + info.command
    if not any(info.where for info in blocks):  # else in containers, or in other namespaces of processes
        del columns["where"]
    dropped = ("build", "access", "kind")
    return Listing(blocks, Table.of(blocks, columns, right=("pid",), shortened=("command",), dropped=dropped))


def _find_line(pid: int, among: set[int]) -> list[int]:
    """A process behind those of its ancestors that are among some, the oldest first."""
    import psutil  # slow to import

    ancestors: list[int] = []
    with contextlib.suppress(psutil.Error):
        ancestors = [one.pid for one in psutil.Process(pid).parents() if one.pid in among]
    return [*reversed(ancestors), pid]


@checks_arguments
def attach(target: int | str | Group, kind: str | None = None, *, names: Iterable[str] = ()) -> ControlBlock:
    """Open the control block of a running process, or those of a group as one.

    It is that of the allocator that serves `malloc`, unless `kind` or `names` tell another.

    Parameters
    ----------
    target : int or str
        A pid of `list_processes`, or a group such as "command:postgres" or "parent:4242".
    kind : str, optional
        Which control block, if the process has several, such as "workload".
    names : iterable of str
        Tunables that it must have.

    Returns
    -------
    ControlBlock
        A context manager; `set` changes tunables, `snapshot` reads the metrics. That of a group is a
        `workbench.processes.group_block.GroupBlock`.

    Raises
    ------
    NoProcess
        If there is no such process, or it has several control blocks and nothing tells which.
    NotPermitted, WrongAbi, DamagedBlock
        If the control block cannot be read.
    BadParameter
        If a group is none, or has too many processes.
    """
    if not isinstance(target, int):
        from workbench.processes.group_block import GroupBlock  # slow to import, and most targets are pids

        return GroupBlock(target, kind)
    infos = find_process_blocks(target, kind)
    if names and len(infos) > 1:
        for info in infos:
            block = ControlBlock.open(info.path)
            if all(name in block.tunables for name in names):
                return block
            block.close()
    return ControlBlock.open(infos[0].path if len(infos) == 1 else find_path(target, kind))


@checks_arguments
def read_memory(target: int | str | Group, kind: str | None = None) -> MemoryUse:
    """Read where the resident memory of a process or group is, page by page, from outside.

    Parameters
    ----------
    target : int or str
        A pid, or a group such as "command:postgres", whose processes are added up. The process may be any:
        without a control block only what the system tells is known.
    kind : str, optional
        Which control block, if the process has those of several allocators.

    Returns
    -------
    MemoryUse
        `parts` add up to `resident_bytes` with `unexplained_bytes`; `to_frame` and `classes_to_frame` are
        tables. It shows itself.

    Raises
    ------
    NoProcess
        If there is no such process, or it ends meanwhile.
    NotPermitted
        If the system does not tell how much is resident.
    BadParameter
        If a group is none.
    """
    from workbench.memory import measure_blocks, measure_memory

    if not isinstance(target, int):
        with attach(target, kind) as joined:
            return measure_blocks(joined.members)
    found = [info for info in find_blocks(pid=target, kind=kind) if info.kind != WORKLOAD_KIND]
    if not found and kind is None:
        return measure_memory(target)
    with attach(target, kind) as block:
        return measure_memory(target, block)


def find_process_blocks(pid: int, kind: str | None = None) -> list[BlockInfo]:
    """Find the live blocks of a process, the allocator's first.

    If there is none to read, the error says what opening one says is wrong.
    """
    blocks = find_blocks(pid=pid, kind=kind)
    allocator = None
    # That the process has no such block, or several, is no fault if it has one to show.
    with contextlib.suppress(*([NoProcess] if blocks else [])):
        allocator = find_path(pid, kind)
    return sorted(blocks, key=lambda info: (info.path != allocator, info.kind))


def find_target_blocks(target: int | Group, kind: str | None = None) -> list[BlockInfo]:
    """Find the live blocks of a process or group; the errors are those of `attach` and `Group.blocks`."""
    return find_process_blocks(target, kind) if isinstance(target, int) else target.blocks(kind)


@contextlib.contextmanager
def open_blocks(target: int | Group, kind: str | None = None) -> Iterator[list[ControlBlock]]:
    """Open the block that `attach` opens; for a group one for each kind that its processes have."""
    kinds = [kind]
    if not isinstance(target, int):
        kinds = list(dict.fromkeys(info.kind for info in target.blocks(kind)))
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(attach(target, one)) for one in kinds]
