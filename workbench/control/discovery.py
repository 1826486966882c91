"""Which control blocks there are, whose processes live, and clearing away those of the dead.

They are in this user's folder, and in the same folder of the containers that this user can look into. A
container has a file system of its own, which `/proc/<pid>/root` leads to. What lies there may be changed at
any moment by its owner: no step follows a link, and the owner is looked at once a folder is open. The C
reader opens the files in the same way.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.bindings.reader import PID_NAMESPACE_OFFSET, Reader
from workbench.errors import NoProcess, NotPermitted, WorkbenchError

#: Kind of the block that the runner of workloads publishes; the others are allocators'.
WORKLOAD_KIND = "workload"
#: Kind of the table of sampled allocations beside a hakmem block: nothing to tune, found only by its kind.
SAMPLES_KIND = "samples"

# <pid>.<start ticks>[.<PID namespace>].<kind>; ".new" while an earlier version of the library made the block.
_NAME = re.compile(
    r"(?P<pid>\d{1,10})\.\d{1,20}(?:\.(?P<namespace>\d{1,20}))?"
    r"\.(?P<kind>[a-z0-9_-]{1,15})(?P<new>\.new)?"
)
# The system's first PID namespace has this inode.
_FIRST_PID_NAMESPACE = 0xEFFFFFFC

_SHARED_MEMORY = ("dev", "shm")
_FOLDER = re.compile(r"hakmem-\d{1,10}")
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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


def describe_block(reader: Reader, path: Path, pids: _Pids | None = None) -> BlockInfo:
    """Tell whose a block is."""
    pid = (pids or _Pids()).translate(reader.pid, reader.pid_namespace)
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


def find_blocks(pid: int | None = None, kind: str | None = None) -> list[BlockInfo]:
    """Find the live control blocks of this user, and in the containers that this user can look into.

    With a pid only those of that process, with a kind only those of that kind, in the order of both; of
    several of a kind that a process made, the last. Files that are no readable block are left out; opening
    one tells why.
    """
    pids = _Pids()
    found: list[tuple[Reader, BlockInfo]] = []
    for _, match, path in _list_files(pid):
        if match["new"] or not _is_asked_for(match["kind"], kind) or not _may_be(pid, match, pids):
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
    found.sort(key=lambda one: one[0].created_ns)
    live = {(one.pid, one.pid_namespace, one.kind): info for one, info in found if info.alive}
    return sorted(live.values(), key=lambda info: (info.pid, info.kind))


def _is_asked_for(kind: str, asked_kind: str | None) -> bool:
    return kind == asked_kind if asked_kind else kind != SAMPLES_KIND


def _may_be(pid: int | None, name: re.Match[str], pids: _Pids) -> bool:
    """Whether a file may be that of a process, by its name: most need not be opened."""
    own = int(name["pid"])
    return pid is None or pid == (pids.translate(own, int(name["namespace"] or _FIRST_PID_NAMESPACE)) or own)


def find_path(pid: int, kind: str | None) -> Path:
    """Find the file of a process's control block; without a kind, that of who serves `malloc`.

    If no block says that it does, it is the only one that is not a workload's. NoProcess if the process does
    not run or has no such block, NotPermitted if it belongs to another user, WrongAbi or DamagedBlock if its
    block cannot be read.
    """

    def is_meant(found: str) -> bool:
        return _is_asked_for(found, kind) and (kind is not None or found != WORKLOAD_KIND)

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
        if is_meant(match["kind"]) and not match["new"] and _may_be(pid, match, _Pids()):
            Reader(path).close()  # says what is wrong with one that cannot be read
    what = f"control block of kind '{kind}'" if kind else "allocator's control block"
    raise NoProcess(
        f"process {pid} has no {what} of this user's: start it under `workbench exec`; "
        "if it was started by another user, run the workbench as that user"
    )


def sweep_dead_blocks() -> list[Path]:
    """Remove the files that dead processes left behind in this user's folder, and list what was removed.

    A file goes only if the lock can be taken that its publisher holds as long as it lives, in whatever
    namespace.
    """
    removed: list[Path] = []
    for root, _, path in _list_files(None):
        if not root and _remove_if_dead(path):
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


def _list_files(pid: int | None) -> Iterator[tuple[str, re.Match[str], Path]]:
    """Files of blocks: the root of their file system, name and path; with a pid, of its container alone.

    The root is empty for our own file system, whose files come first, else such as "/proc/4242/root".
    """
    seen: set[tuple[int, int]] = set()
    for root in itertools.chain([""], _other_roots(pid)):
        for folder, name in _read_folders(root, seen):
            if match := _NAME.fullmatch(name):
                yield root, match, folder / name


def block_directory(uid: int | None = None) -> Path:
    """Folder in shared memory where the blocks of a user's processes are; by default, of this user's."""
    return Path(f"/dev/shm/hakmem-{os.geteuid() if uid is None else uid}")


class _Pids:
    """Finds the pids that processes of other PID namespaces have here. Reads /proc once, when first asked."""

    def __init__(self) -> None:
        self._own = _inode("/proc/self/ns/pid")
        self._found: dict[tuple[int, int], int] | None = None

    def translate(self, pid: int, namespace: int) -> int | None:
        """The pid here of the process that is `pid` in a namespace; None if it cannot be seen from here."""
        if namespace in (0, self._own):
            return pid
        if self._found is None:
            self._found = dict(self._read())
        return self._found.get((namespace, pid))

    def _read(self) -> Iterator[tuple[tuple[int, int], int]]:
        for pid in _pids():
            namespace = _inode(f"/proc/{pid}/ns/pid")
            if namespace in (0, self._own):
                continue
            with contextlib.suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
                line = re.search(r"^NSpid:((?:\s+\d+)+)$", status, re.MULTILINE)
                if line:
                    yield (namespace, int(line[1].split()[-1])), pid


def _pids() -> list[int]:
    return sorted(int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _inode(path: str) -> int:
    """Number of a namespace; 0 if the system does not tell."""
    try:
        return Path(path).stat().st_ino
    except OSError:
        return 0


def _other_roots(pid: int | None) -> Iterator[str]:
    """File systems other than our own that processes see, each once, by the lowest pid."""
    seen = {_root_key("/proc/self")}
    for candidate in _pids() if pid is None else [pid]:
        process = f"/proc/{candidate}"
        key = _root_key(process)
        if key is not None and key not in seen:
            seen.add(key)
            yield f"{process}/root"


def _root_key(process: str) -> tuple[str, int, int] | None:
    """What tells file systems apart; None for a process that is not ours to look into."""
    try:
        root = Path(process, "root").stat()
        return str(Path(process, "ns/mnt").readlink()), root.st_dev, root.st_ino
    except OSError:
        return None


def _read_folders(root: str, seen: set[tuple[int, int]]) -> Iterator[tuple[Path, str]]:
    """Folders of blocks that were not seen yet, and the names of their files."""
    wanted = _FOLDER if root else re.compile(block_directory().name)
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):

        def enter(name: str, directory: int | None, flags: int = _DIRECTORY) -> int:
            descriptor = os.open(name, os.O_RDONLY | flags, dir_fd=directory)
            stack.callback(os.close, descriptor)
            return descriptor

        shared_memory = enter(root or "/", None, os.O_DIRECTORY | os.O_CLOEXEC)
        for step in _SHARED_MEMORY:
            shared_memory = enter(step, shared_memory)
        for name in _list_names(shared_memory):
            if not wanted.fullmatch(name):
                continue
            with contextlib.suppress(OSError):
                folder = enter(name, shared_memory)
                status = os.fstat(folder)
                key = (status.st_dev, status.st_ino)
                if key not in seen and _is_private(status, bool(root)):
                    seen.add(key)
                    path = Path(root or "/", *_SHARED_MEMORY, name)
                    yield from [(path, file) for file in _list_names(folder)]


def _list_names(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries)


def _is_private(status: os.stat_result, is_in_container: bool) -> bool:
    """Whether only its owner could put anything there, who is us (for root, in a container: anybody)."""
    is_ours = status.st_uid == os.geteuid() or (is_in_container and os.geteuid() == 0)
    return is_ours and not status.st_mode & 0o077
