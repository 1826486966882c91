"""What a measurement needs of this host: that nobody else measures, and memory that is warm.

The lock is on a file beside the control blocks, /dev/shm/hakmem-<uid>/measuring.lock: that folder does
not depend on environment variables, and the kernel drops the lock when its holder dies. Containers with
a /dev/shm of their own do not see each other.

On a virtual machine free pages go back to the host after some seconds, and the first touch of such a
page costs up to a thousand times what it costs afterwards: whoever runs first would look slow.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import psutil

from workbench.control import block_directory
from workbench.errors import NotPermitted
from workbench.experiments.result import Result
from workbench.plain_values import canonical_json
from workbench.processes.runs import Run
from workbench.units import MIB

# Touched before a run of which nothing is known yet.
_FIRST_WARM_BYTES = 256 * MIB
_MARGIN = 1.25
_LEAST_BYTES = 32 * MIB
_MOST_SHARE = 0.5


def host_lock_path() -> Path:
    """The file that is locked while a run is measured."""
    return block_directory() / "measuring.lock"


@contextlib.contextmanager
def hold_host() -> Iterator[None]:
    """Wait until nobody of this user measures on this host, and keep others waiting meanwhile.

    NotPermitted if the folder of the lock belongs to somebody else.
    """
    path = host_lock_path()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    status = path.parent.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise NotPermitted(f"{path.parent}: it is not a folder of this user; remove it")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # drops the lock; the file stays, or two holders could have two files


class WarmMemory:
    """Knows how much memory to touch before a run: what its like has needed so far."""

    def __init__(self, results: Iterable[Result] = ()) -> None:
        self._peaks: dict[str, float] = {}
        for result in results:
            self.learn(result)

    def learn(self, result: Result) -> None:
        """Remember the peak of a result, whatever allocator it had."""
        key = _name_work(result.run)
        self._peaks[key] = max(self._peaks.get(key, 0.0), result.peak_resident_bytes)

    def choose(self, run: Run) -> int:
        """Bytes to touch before a run."""
        return choose_warm_bytes(self._peaks.get(_name_work(run)))


def choose_warm_bytes(peak_resident_bytes: float | None = None) -> int:
    """How much to touch before a run whose like had this peak; at most half of the available memory."""
    wanted = _FIRST_WARM_BYTES if peak_resident_bytes is None else int(peak_resident_bytes * _MARGIN)
    available_bytes = int(psutil.virtual_memory().available * _MOST_SHARE)
    return min(max(wanted, _LEAST_BYTES), available_bytes)


def touch_memory(size_bytes: int) -> int:
    """Map so many bytes, write to each of their pages, and give them back; returns how many it were."""
    if size_bytes <= 0:
        return 0
    with mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as mapping:
        pages = np.frombuffer(mapping, dtype=np.uint8)
        pages[:: mmap.PAGESIZE] = 1
        del pages  # or the mapping could not be closed
    return size_bytes


def _name_work(run: Run) -> str:
    """The same for all runs that do the same work, whatever allocator serves it."""
    content = run.to_dict()
    for name in ("seed", "round", "allocator", "tunables", "schedule", "samples_latency"):
        content.pop(name, None)
    return canonical_json(content)
