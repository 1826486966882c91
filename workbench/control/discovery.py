"""Which control blocks there are, whose processes live, and clearing away those of the dead."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.bindings.reader import PID_NAMESPACE_OFFSET, Reader
from workbench.control.places import FIRST_PID_NAMESPACE, Folder, Pids, list_folders
from workbench.errors import NoProcess, NotPermitted, WorkbenchError

#: Kind of the block that the runner of workloads publishes; the others are allocators'.
WORKLOAD_KIND = "workload"

# <pid>.<start ticks>[.<PID namespace>].<kind>; ".new" while an earlier version of the library made the block.
_NAME = re.compile(
    r"(?P<pid>\d{1,10})\.\d{1,20}(?:\.(?P<namespace>\d{1,20}))?"
    r"\.(?P<kind>[a-z0-9_-]{1,15})(?P<new>\.new)?"
)


@dataclass(frozen=True)
class BlockInfo:
    """Whose a control block is.

    Attributes
    ----------
    path : Path
        Its file.
    pid : int
        Process that publishes it: its pid here, or where it cannot be seen from here that of its namespace.
    start_ticks : int
        When that process started, in clock ticks since boot; with the pid it names the process.
    kind : str
        The allocator's name, or "workload" for the runner of workloads.
    build : str
        Version, compiler and options of the publisher.
    command : str
        Command line of the process.
    access : {"off", "read", "write"}
        What other processes may do.
    alive : bool
        Whether the process runs and still publishes it.
    serves_malloc : bool
        Whether the program's `malloc` is the publisher's. An earlier version of the library does not say so.
    where : str
        Empty for a process like ours; else the container's file system, and the pid that it has there.
    """

    path: Path
    pid: int
    start_ticks: int
    kind: str
    build: str
    command: str
    access: str
    alive: bool
    serves_malloc: bool = False
    where: str = ""


def describe_block(reader: Reader, path: Path, pids: Pids | None = None) -> BlockInfo:
    """Tell whose a block is."""
    pid = (pids or Pids()).translate(reader.pid, reader.pid_namespace)
    root = re.match(r"/proc/\d+/root(?=/)", str(path))
    where = [root[0]] if root else []
    if pid is None:
        where.append(f"pid {reader.pid} of another PID namespace")
    elif pid != reader.pid:
        where.append(f"pid {reader.pid} there")
    return BlockInfo(
        path=path,
        pid=reader.pid if pid is None else pid,
        start_ticks=reader.start_ticks,
        kind=reader.kind,
        build=reader.build,
        command=reader.command,
        access=reader.access,
        alive=reader.is_alive(),
        serves_malloc=reader.serves_malloc,
        where=", ".join(where),
    )


def find_blocks(
    pid: int | None = None, kind: str | None = None, *, include_dead: bool = False
) -> list[BlockInfo]:
    """Find the control blocks of this user's processes, and of those in containers that can be looked into.

    Parameters
    ----------
    pid, kind : optional
        Only those of this process, of this kind.
    include_dead : bool
        Blocks whose processes have ended, too.

    Returns
    -------
    list of BlockInfo
        In the order of pid and kind; of several live ones of a kind that a process made, the last. Files that
        are no readable block are left out; opening one tells why.
    """
    pids = Pids()
    found: list[tuple[Reader, BlockInfo]] = []
    for _, match, path in _list_files(pid):
        if match["new"] or kind not in (None, match["kind"]) or not _may_be(pid, match, pids):
            continue
        with contextlib.suppress(WorkbenchError):
            reader = Reader(path)
            try:
                found.append((reader, describe_block(reader, path, pids)))
            finally:
                reader.close()
    if pid is not None:
        found = [(reader, info) for reader, info in found if info.pid == pid]
        # A pid means a process here; one that only another namespace has is meant where no other is.
        here = [one for one in found if pids.translate(one[0].pid, one[0].pid_namespace) is not None]
        found = here or found
    if not include_dead:
        found.sort(key=lambda one: one[0].created_ns)
        live = {(one.pid, one.pid_namespace, one.kind): (one, info) for one, info in found if info.alive}
        found = list(live.values())
    return sorted((info for _, info in found), key=lambda info: (info.pid, info.kind))


def _may_be(pid: int | None, name: re.Match[str], pids: Pids) -> bool:
    """Whether a file may be that of a process, by its name: most need not be opened."""
    own = int(name["pid"])
    return pid is None or pid == (pids.translate(own, int(name["namespace"] or FIRST_PID_NAMESPACE)) or own)


def find_path(pid: int, kind: str | None) -> Path:
    """Find the file of a process's control block; without a kind, that of who serves `malloc`.

    If no block says that it does, it is the only one that is not a workload's.

    Raises
    ------
    NoProcess
        If the process does not run or has no such block.
    NotPermitted
        If the process belongs to another user.
    WrongAbi, DamagedBlock
        If its block cannot be read.
    """

    def is_meant(found: str) -> bool:
        return found == kind if kind else found != WORKLOAD_KIND

    blocks = [info for info in find_blocks(pid, kind) if is_meant(info.kind)]
    blocks = [info for info in blocks if info.serves_malloc and not kind] or blocks
    kinds = sorted({info.kind for info in blocks})
    if len(kinds) > 1:
        raise NoProcess(f"process {pid} has several control blocks; choose one of kind {' or '.join(kinds)}")
    if len(blocks) > 1:
        places = "; ".join(info.where for info in blocks)
        raise NoProcess(f"several PID namespaces have a process {pid}: {places}")
    if blocks:
        return blocks[0].path
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        raise NoProcess(f"there is no process {pid}: `workbench ps` lists those that can be tuned") from None
    if uid != os.geteuid():
        raise NotPermitted(
            f"process {pid} belongs to another user (uid {uid}): run the workbench as that user"
        )
    for _, match, path in _list_files(pid):
        if is_meant(match["kind"]) and not match["new"] and _may_be(pid, match, Pids()):
            Reader(path).close()  # says what is wrong with one that cannot be read
    what = f"control block of kind '{kind}'" if kind else "allocator's control block"
    raise NoProcess(f"process {pid} has no {what}: start it under `workbench exec`")


def sweep_dead_blocks() -> list[Path]:
    """Remove the files that dead processes left behind in this user's folder, and list what was removed.

    A file goes only if the lock can be taken that its publisher holds as long as it lives, in whatever
    namespace.
    """
    removed: list[Path] = []
    for folder, _, path in _list_files(None):
        if not folder.root and _remove_if_dead(path):
            removed.append(path)
    return removed


def _remove_if_dead(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its name may have gone meanwhile, and be that of a later block by now.
        has_name = os.fstat(descriptor).st_nlink > 0
        namespace = os.pread(descriptor, 8, PID_NAMESPACE_OFFSET)
        if not has_name or not any(namespace):  # without one: of a version that took no lock
            return False
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _list_files(pid: int | None) -> Iterator[tuple[Folder, re.Match[str], Path]]:
    for folder in list_folders(pid):
        for name in folder.names:
            match = _NAME.fullmatch(name)
            if match:
                yield folder, match, folder.path / name
