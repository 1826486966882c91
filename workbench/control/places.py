"""Where control blocks are: this user's folder, and the same in the containers that this user can look into.

A container has a file system of its own, which `/proc/<pid>/root` leads to. What lies there may be changed at
any moment by its owner: no step follows a link, and the owner is looked at once a folder is open. The C
reader opens the files in the same way.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: The system's first PID namespace has this inode.
FIRST_PID_NAMESPACE = 0xEFFFFFFC

_SHARED_MEMORY = ("dev", "shm")
_FOLDER = re.compile(r"hakmem-\d{1,10}")
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Folder:
    """A folder of control blocks.

    Attributes
    ----------
    path : Path
    root : str
        Where its container's file system is seen, "/proc/4242/root"; empty for our own.
    names : list of str
        The files in it, sorted.
    """

    path: Path
    root: str
    names: list[str]


def block_directory() -> Path:
    """Folder in shared memory where the blocks of this user's processes are."""
    return Path(f"/dev/shm/hakmem-{os.geteuid()}")


def list_folders(pid: int | None = None) -> Iterator[Folder]:
    """Find the folders of blocks: our own first, then those of containers.

    Parameters
    ----------
    pid : int, optional
        Look into the container of this process alone.
    """
    seen: set[tuple[int, int]] = set()
    own = block_directory()
    yield from _read_folders("", lambda name: name == own.name, seen)
    for root in _other_roots(pid):
        yield from _read_folders(root, lambda name: _FOLDER.fullmatch(name) is not None, seen)


class Pids:
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


def _read_folders(
    root: str, is_wanted: Callable[[str], bool], seen: set[tuple[int, int]]
) -> Iterator[Folder]:
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):

        def enter(name: str, directory: int | None, flags: int = _DIRECTORY) -> int:
            descriptor = os.open(name, os.O_RDONLY | flags, dir_fd=directory)
            stack.callback(os.close, descriptor)
            return descriptor

        shared_memory = enter(root or "/", None, os.O_DIRECTORY | os.O_CLOEXEC)
        for step in _SHARED_MEMORY:
            shared_memory = enter(step, shared_memory)
        for name in _list_names(shared_memory):
            if not is_wanted(name):
                continue
            with contextlib.suppress(OSError):
                folder = enter(name, shared_memory)
                status = os.fstat(folder)
                key = (status.st_dev, status.st_ino)
                if key not in seen and _is_private(status, bool(root)):
                    seen.add(key)
                    path = Path(root or "/", *_SHARED_MEMORY, name)
                    yield Folder(path, root, _list_names(folder))


def _list_names(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        return sorted(entry.name for entry in entries)


def _is_private(status: os.stat_result, is_in_container: bool) -> bool:
    """Whether only its owner could put anything there, who is us (for root, in a container: anybody)."""
    is_ours = status.st_uid == os.geteuid() or (is_in_container and os.geteuid() == 0)
    return is_ours and stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
