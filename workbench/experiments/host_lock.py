"""One measurement at a time on this host, whichever processes of the user want one.

The lock is on a file beside the control blocks, /dev/shm/hakmem-<uid>/measuring.lock: that folder does
not depend on environment variables, and the kernel drops the lock when its holder dies. Containers with
a /dev/shm of their own do not see each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from workbench.control import block_directory
from workbench.errors import NotPermitted


def host_lock_path() -> Path:
    """The file that is locked while a run is measured."""
    return block_directory() / "measuring.lock"


@contextlib.contextmanager
def hold_host() -> Iterator[None]:
    """Wait until nobody of this user measures on this host, and keep others waiting meanwhile.

    Raises
    ------
    NotPermitted
        If the folder of the lock belongs to somebody else.
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
