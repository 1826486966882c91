"""Files that commands write: nothing else is lost by it, and nothing waits for ever."""

from __future__ import annotations

import contextlib
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


def check_output(
    path: Path,
    what: str,
    is_such: Callable[[Path], bool],
    *,
    is_forced: bool = False,
    remedy: str = "remove it first",
) -> None:
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
    remedy : str
        What can be done about a file of another kind, other than to name another.

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
        raise BadParameter(f"{path}: a file is there that is not {what}; name another, or {remedy}")


def write_output(path: Path, text: str, what: str, is_such: Callable[[str], bool]) -> None:
    """Write a text, whole or not at all; into a pipe or a device as it comes.

    Parameters
    ----------
    path : Path
        Where to. A link stands for the file it leads to.
    text : str
        All of it.
    what : str
        What it is, as "a page of charts".
    is_such : callable
        Whether the text of a file that is there is such a one, and may be replaced.

    Raises
    ------
    BadParameter
        If it is a folder, a pipe that nobody reads or a file of another kind, or cannot be written.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            _write_through(path, text)
            return
        path = Path(os.path.realpath(path)) if path.is_symlink() else path
        check_output(path, what, lambda found: is_such(_read_text(found)))
        replace_text(path, text)
    except OSError as error:
        reason = "a pipe that nobody reads" if error.errno == errno.ENXIO else error.strerror
        raise BadParameter(f"{path}: it cannot be written ({reason}); name another file") from error


def replace_text(path: Path, text: str) -> None:
    """Write a text beside a file and put it in its place: a reader, or a crash, never sees half of it.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left of it.
    """
    new = path.with_name(f".hakmem-new-{os.getpid()}-{path.name[:100]}")
    try:
        new.write_text(text, encoding="utf-8")
        if path.exists():
            new.chmod(stat.S_IMODE(path.stat().st_mode))
        new.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _write_through(path: Path, text: str) -> None:
    """Opened so that a pipe without a reader is an error, and not a wait for one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _read_text(path: Path) -> str:
    return path.read_bytes().decode("utf-8-sig", "replace")
