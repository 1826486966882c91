"""Files that commands write: nothing else is lost by it, and nothing waits for ever."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from workbench.errors import BadParameter

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_output(path: Path, what: str, is_such: Callable[[Path], bool], *, is_forced: bool = False) -> None:
    """See that a file can be written there, and that no file of another kind is lost by it.

    Parameters
    ----------
    path : Path
        Where to. An empty file may be there.
    what : str
        What is written, as "a trace".
    is_such : callable
        Whether a file that is there is such a one, and may be replaced.
    is_forced : bool
        Any file may be replaced.

    Raises
    ------
    BadParameter
        If it is a folder, a pipe, a device or a file of another kind, or its folder is missing.
    OSError
        If it may not be written.
    """
    if not path.parent.is_dir():
        raise BadParameter(f"{path.parent}: no such folder; make it first")
    try:
        status = path.stat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        raise BadParameter(f"{path}: it is a folder; name a file")
    if not stat.S_ISREG(status.st_mode):
        raise BadParameter(f"{path}: it is {_KINDS[stat.S_IFMT(status.st_mode)]}; name a file")
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    if status.st_size and not is_forced and not is_such(path):
        raise BadParameter(
            f"{path}: a file is there that is not {what}; name another, or replace it with --force"
        )
