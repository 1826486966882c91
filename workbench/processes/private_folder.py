"""Private folders for what is needed for a while: raw records of a recorder, the work of a run.

Its owner holds a lock on a file in it. By that the recorder sees, in the recorded program, that its reader
was killed, and writes no more; and the next owner sees which folders are left over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_LOCK = "reader"  # spool_files.c has the same name
_LOCK_UNDER_WAY = "reader.new"


@contextlib.contextmanager
def open_private_folder(prefix: str, parent: str | os.PathLike[str] | None = None) -> Iterator[Path]:
    """Make a new folder (mode 0700), and delete it with all it holds in the end.

    Its name begins with the prefix; it is in the parent, or in the system's place for temporary files. What
    killed owners left beside it under that prefix goes first.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent)).absolute()
    try:
        _remove_abandoned(folder.parent, prefix)
        # The lock has its name once it is held: one that is not held is nobody's.
        lock = os.open(folder / _LOCK_UNDER_WAY, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            (folder / _LOCK_UNDER_WAY).rename(folder / _LOCK)
            yield folder
        finally:
            os.close(lock)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(parent: Path, prefix: str) -> None:
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            if folder.stat(follow_symlinks=False).st_uid == os.geteuid() and _is_abandoned(folder / _LOCK):
                shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(lock: Path) -> bool:
    descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True
