"""Which control blocks there are, whose processes live, and clearing away those of the dead."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.control.native import lib
from workbench.control.reader import Reader
from workbench.errors import NoProcess, NotPermitted, WorkbenchError

Access = Literal["off", "read", "write"]

# <pid>.<start ticks>.<kind>; ".new" while the block is being made.
_NAME = re.compile(r"(?P<pid>\d{1,10})\.(?P<start_ticks>\d{1,20})\.(?P<kind>[a-z0-9_-]{1,15})(?P<new>\.new)?")


@dataclass(frozen=True)
class BlockInfo:
    """Whose a control block is.

    Attributes
    ----------
    path : Path
        Its file.
    pid : int
        Process that publishes it.
    start_ticks : int
        When that process started, in clock ticks since boot; with the pid it names the process.
    kind : str
        "hakmem", "workload" or another.
    build : str
        Version, compiler and options of the publisher.
    command : str
        Command line of the process.
    access : {"off", "read", "write"}
        What other processes may do.
    alive : bool
        Whether the process runs.
    """

    path: Path
    pid: int
    start_ticks: int
    kind: str
    build: str
    command: str
    access: str
    alive: bool


def block_directory() -> Path:
    """Folder in shared memory where the blocks of this user's processes are."""
    return Path(f"/dev/shm/hakmem-{os.geteuid()}")


def describe_block(reader: Reader, path: Path) -> BlockInfo:
    """Tell whose an open block is."""
    code, _ = reader.try_call(lib.hak_reader_alive)
    return BlockInfo(
        path=path,
        pid=reader.pid,
        start_ticks=reader.start_ticks,
        kind=reader.kind,
        build=reader.build,
        command=reader.command,
        access=reader.access,
        alive=code == 0,
    )


def find_blocks(
    pid: int | None = None, kind: str | None = None, *, include_dead: bool = False
) -> list[BlockInfo]:
    """Find the control blocks of this user's processes.

    Parameters
    ----------
    pid, kind : optional
        Only those of this process, of this kind.
    include_dead : bool
        Also blocks whose processes have ended.

    Returns
    -------
    list of BlockInfo
        In the order of pid and kind. Files that are no readable block are left out; opening one tells why.
    """
    found: list[BlockInfo] = []
    for match, path in _list_files():
        if (
            match["new"]
            or (pid is not None and int(match["pid"]) != pid)
            or kind not in (None, match["kind"])
        ):
            continue
        with contextlib.suppress(WorkbenchError):
            reader = Reader(path)
            try:
                info = describe_block(reader, path)
            finally:
                reader.close()
            if include_dead or (info.alive and _is_published(info)):
                found.append(info)
    return sorted(found, key=lambda info: (info.pid, info.kind))


def find_path(pid: int, kind: str) -> Path:
    """Find the file of a running process's block.

    Raises
    ------
    NoProcess
        If the process does not run or has no such block.
    NotPermitted
        If the process belongs to another user.
    """
    paths = []
    for match, path in _list_files():
        if int(match["pid"]) == pid and match["kind"] == kind and not match["new"]:
            paths.append(path)
            if lib.hak_process_is_alive(pid, int(match["start_ticks"])):
                return path
    try:
        uid = Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        raise NoProcess(f"there is no process {pid}: `workbench ps` lists those that can be tuned") from None
    if uid != os.geteuid():
        raise NotPermitted(
            f"process {pid} belongs to another user (uid {uid}): run the workbench as that user"
        )
    raise NoProcess(f"process {pid} has no control block of kind '{kind}': start it under `workbench exec`")


def sweep_dead_blocks() -> list[Path]:
    """Remove the files that dead processes left behind.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed: list[Path] = []
    for match, path in _list_files():
        # A name is never used again: a later process of the same pid has another start time.
        if not lib.hak_process_is_alive(int(match["pid"]), int(match["start_ticks"])):
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def _list_files() -> Iterator[tuple[re.Match[str], Path]]:
    directory = block_directory()
    try:
        status = directory.lstat()
        names = sorted(path.name for path in directory.iterdir())
    except OSError:
        return
    # Somebody else could have made the folder, or a link to one, before us.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        return
    for name in names:
        match = _NAME.fullmatch(name)
        if match and int(match["pid"]) < 2**31 and int(match["start_ticks"]) < 2**64:
            yield match, directory / name


def _is_published(info: BlockInfo) -> bool:
    """Whether the process still maps the file; True where the system does not tell.

    After an exec the process has the same pid and start time, but the old block is nobody's.
    """
    try:
        status = info.path.stat()
        maps = Path(f"/proc/{info.pid}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    return re.search(rf" {device} {status.st_ino}\s", maps) is not None
