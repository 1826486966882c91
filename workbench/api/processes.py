"""Live processes: which there are, and their control blocks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from workbench.allocators import rows
from workbench.control import BlockInfo, ControlBlock, find_blocks
from workbench.display import Listing
from workbench.errors import NoProcess
from workbench.table import Table


def list_processes() -> Listing[BlockInfo]:
    """List the processes that can be tuned, one for each control block."""
    # Loading the native parts gave this process an allocator too, which is gone before it can be tuned.
    blocks = [info for info in find_blocks() if info.pid != os.getpid()]
    columns: tuple[str, ...] = ("pid", "where", "kind", "access", "build", "command")
    rows: list[tuple[str, ...]] = [
        (str(info.pid), info.where, info.kind, info.access, info.build, info.command) for info in blocks
    ]
    if not any(info.where for info in blocks):  # else in containers, or in other namespaces of processes
        columns = (columns[0], *columns[2:])
        rows = [(row[0], *row[2:]) for row in rows]
    dropped = ("build", "access", "kind")
    return Listing(blocks, Table(columns, rows, right=("pid",), shortened=("command",), dropped=dropped))


def attach(pid: int, kind: str | None = None, *, names: Iterable[str] = ()) -> ControlBlock:
    """Open the control block of a running process: the allocator's, unless `kind` or `names` tell another.

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
    if len(infos) > 1 and infos[0].kind not in [row.kind for row in rows()]:
        kinds = ", ".join(info.kind for info in infos)
        raise NoProcess(f"process {pid} has several control blocks; choose one with --kind: {kinds}")
    return ControlBlock.open(infos[0].path)


def find_process_blocks(pid: int, kind: str | None = None) -> list[BlockInfo]:
    """Find the live blocks of a process, the allocator's first.

    Raises
    ------
    WorkbenchError
        What opening the block says is wrong, if there is none to read.
    """
    blocks = find_blocks(pid=pid, kind=kind)
    allocators = [row.kind for row in rows() if row.kind]
    if not any(info.kind == kind if kind else info.kind in allocators for info in blocks):
        # Opening says what is wrong: no such process, not permitted, another ABI, damaged. That the
        # process has no block of this kind is no fault if it has another.
        with contextlib.suppress(*([NoProcess] if blocks else [])), ControlBlock.open(pid, kind) as block:
            return [block.info]
    return sorted(blocks, key=lambda info: (info.kind not in allocators, info.kind))
