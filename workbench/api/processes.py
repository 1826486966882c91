"""Live processes: which there are, and their control blocks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from operator import attrgetter

from workbench.control import BlockInfo, ControlBlock, find_blocks, find_path
from workbench.display import Listing
from workbench.errors import NoProcess
from workbench.table import Table


def list_processes() -> Listing[BlockInfo]:
    """List the processes that can be tuned, one for each control block."""
    # Loading the native parts gave this process an allocator too, which is gone before it can be tuned.
    blocks = [info for info in find_blocks() if info.pid != os.getpid()]
    names = ["pid", "where", "kind", "access", "build", "command"]
    if not any(info.where for info in blocks):  # else in containers, or in other namespaces of processes
        names.remove("where")
    columns = {name: attrgetter(name) for name in names}
    dropped = ("build", "access", "kind")
    return Listing(blocks, Table.of(blocks, columns, right=("pid",), shortened=("command",), dropped=dropped))


def attach(pid: int, kind: str | None = None, *, names: Iterable[str] = ()) -> ControlBlock:
    """Open the control block of a running process.

    It is that of the allocator that serves `malloc`, unless `kind` or `names` tell another.

    Parameters
    ----------
    pid : int
        One of `list_processes`.
    kind : str, optional
        Which control block, if the process has several, such as "workload".
    names : iterable of str
        Tunables that it must have.

    Returns
    -------
    ControlBlock
        A context manager; `set` changes tunables, `snapshot` reads the metrics.

    Raises
    ------
    NoProcess
        If there is no such process, or it has several control blocks and nothing tells which.
    NotPermitted, WrongAbi, DamagedBlock
        If the control block cannot be read.
    """
    infos = find_process_blocks(pid, kind)
    if names and len(infos) > 1:
        for info in infos:
            block = ControlBlock.open(info.path)
            if all(name in block.tunables for name in names):
                return block
            block.close()
    return ControlBlock.open(infos[0].path if len(infos) == 1 else find_path(pid, kind))


def find_process_blocks(pid: int, kind: str | None = None) -> list[BlockInfo]:
    """Find the live blocks of a process, the allocator's first.

    Raises
    ------
    WorkbenchError
        What opening the block says is wrong, if there is none to read.
    """
    blocks = find_blocks(pid=pid, kind=kind)
    allocator = None
    # That the process has no such block, or several, is no fault if it has one to show.
    with contextlib.suppress(*([NoProcess] if blocks else [])):
        allocator = find_path(pid, kind)
    return sorted(blocks, key=lambda info: (info.path != allocator, info.kind))
