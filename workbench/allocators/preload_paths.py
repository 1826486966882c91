"""Paths of libraries as LD_PRELOAD can take them, wherever they are installed.

The loader separates the libraries of LD_PRELOAD at blanks and colons and has no way to quote them, and it
replaces words such as $ORIGIN. A library in a folder whose name has such a mark is reached through a link:
its folder gets one in a folder of this user's that nobody else can change.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from workbench.errors import CannotPreload

_UNSAFE = re.compile(r"[\s:;$\\'\"]")
_FOLDER = "hakmem-workbench"
_DIGEST_DIGITS = 16


def loader_path(library: Path) -> str:
    """Path of a library that LD_PRELOAD can take: its own, unless it has marks at which the loader cuts it.

    CannotPreload tells the folders that were tried if no link to it can be made.
    """
    if not _UNSAFE.search(str(library)):
        return str(library)
    tried = []
    for folder in _list_folders():
        try:
            return str(_link(library.parent, folder) / library.name)
        except OSError as error:
            tried.append(f"{folder}: {error.strerror or error}")
    raise CannotPreload(
        f"the loader cannot take '{library}': it separates libraries at blanks and colons; "
        f"no link to it can be made ({'; '.join(tried) or 'no folder for it has a name without them'}); "
        "install the workbench in a folder without such marks"
    )


def put_first(library: Path, others: str) -> str:
    """The value of LD_PRELOAD that loads a library once, before the others of a former value."""
    own = loader_path(library)
    return ":".join([own, *(other for other in others.replace(":", " ").split() if other != own)])


def _list_folders() -> Iterator[Path]:
    """Where links can be: folders of this user that outlive this process, the most lasting first."""
    user = os.geteuid()
    bases = [os.environ.get("XDG_CACHE_HOME"), os.path.expanduser("~/.cache"), f"/run/user/{user}"]  # noqa: PTH111
    folders = [Path(base) / _FOLDER for base in bases if base and base.startswith("/")]
    folders += [Path(f"/dev/shm/{_FOLDER}-{user}"), Path(f"/tmp/{_FOLDER}-{user}")]
    return (folder for folder in dict.fromkeys(folders) if not _UNSAFE.search(str(folder)))


def _link(target: Path, folder: Path) -> Path:
    """Link to a folder from a safe one.

    OSError if the link cannot be made, or somebody else could change where it leads.
    """
    folder.parent.mkdir(mode=0o700, exist_ok=True)  # ~/.cache may be missing; a home that is missing stays so
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_owner(folder)
    link = folder / hashlib.sha256(os.fsencode(target)).hexdigest()[:_DIGEST_DIGITS]
    if not link.is_symlink() or link.readlink() != target:
        new = folder / f"{link.name}.{os.getpid()}-{threading.get_ident()}"
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        new.symlink_to(target)
        new.rename(link)  # whoever else makes it makes the same
        _remove_dangling(folder, link)
    return link


def _check_owner(folder: Path) -> None:
    """See that only this user and root can change what a path in the folder means; else PermissionError."""
    for place in [folder, *folder.parents]:
        facts = place.lstat()
        is_sticky = place != folder and facts.st_mode & stat.S_ISVTX
        is_own = facts.st_uid in (0, os.geteuid())
        is_open = facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not is_sticky
        if stat.S_ISLNK(facts.st_mode) and place != folder and is_own:
            _check_owner(place.resolve(strict=True))
        elif not is_own or is_open or not stat.S_ISDIR(facts.st_mode):
            raise PermissionError(f"another user could change {place}")


def _remove_dangling(folder: Path, kept: Path) -> None:
    """Remove links to installations that are gone."""
    with contextlib.suppress(OSError):
        for link in folder.iterdir():
            if link != kept and link.is_symlink() and not link.exists():
                link.unlink()
