"""Groups of processes, such as a server with its workers. Who belongs to one may change at any time."""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from workbench.control import BlockInfo, find_blocks
from workbench.errors import BadParameter, describe_unknown

#: Names the group that a program was started in, and is inherited by its children.
GROUP_VARIABLE = "WORKBENCH_GROUP"


@dataclass(frozen=True)
class Group:
    """Processes that have something in common.

    Attributes
    ----------
    selector : str
        What they have in common: one of `SELECTORS`.
    value : str
        Such as a pid, a pattern, a name.
    """

    selector: str
    value: str

    def __str__(self) -> str:
        return f"{self.selector}:{self.value}"

    def pids(self) -> list[int]:
        """Processes that belong to it now, in ascending order; never this one."""
        return sorted(set(_SELECT[self.selector](self.value)) - {os.getpid()})

    def blocks(self, kind: str | None = None) -> list[BlockInfo]:
        """Control blocks of its processes that can be tuned now, in the order of their pids."""
        pids = set(self.pids())
        return [info for info in find_blocks(kind=kind) if info.pid in pids]


def parse_group(text: str) -> Group:
    """Read a group as it is given on a command line, such as "command:postgres".

    Raises
    ------
    BadParameter
        If the selector is unknown, or the value is none of its kind.
    """
    selector, sign, value = text.partition(":")
    if not sign or selector not in _SELECT:
        given = selector if sign else text
        raise BadParameter(
            f"{describe_unknown('selector of a group', given, _SELECT)} (as in command:postgres)"
        )
    if not value:
        raise BadParameter(f"group '{text}': a value is missing after the colon")
    if selector == "parent" and not value.isdecimal():
        raise BadParameter(f"group '{text}': '{value}' is no pid")
    if selector == "command":
        try:
            re.compile(value)
        except re.error as error:
            raise BadParameter(f"group '{text}': '{value}' is no regular expression: {error}") from None
    if selector == "user" and _find_uid(value) is None:
        raise BadParameter(f"group '{text}': there is no user '{value}'")
    return Group(selector, value)


def _find_uid(name: str) -> int | None:
    with suppress(KeyError):
        return pwd.getpwnam(name).pw_uid
    return int(name) if name.isdecimal() else None


def _select_parent(value: str) -> Iterator[int]:
    """Select a process and all that descend from it."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(int(value))
        yield parent.pid
        yield from (child.pid for child in parent.children(recursive=True))


def _select_command(value: str) -> Iterator[int]:
    """Select processes whose program's name or command line has a match."""
    pattern = re.compile(value)
    for process in psutil.process_iter(["name", "cmdline"]):
        words = [process.info["name"] or "", " ".join(process.info["cmdline"] or [])]
        if any(pattern.search(text) for text in words):
            yield process.pid


def _select_user(value: str) -> Iterator[int]:
    uid = _find_uid(value)
    for process in psutil.process_iter(["uids"]):
        if process.info["uids"] and process.info["uids"].effective == uid:
            yield process.pid


def _select_cgroup(value: str) -> Iterator[int]:
    """Select processes of a cgroup and those below it."""
    below = value.rstrip("/") + "/"
    for pid in psutil.pids():
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
            if any(f"{line.split(':', 2)[2]}/".startswith(below) for line in lines):
                yield pid


def _select_container(value: str) -> Iterator[int]:
    """Select processes in whose cgroup's path a folder's name holds the container's identifier."""
    pattern = re.compile(rf"[/:-]{re.escape(value)}[0-9a-f]*(\.scope)?(/|$)", re.MULTILINE)
    for pid in psutil.pids():
        with suppress(OSError):
            if pattern.search(Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")):
                yield pid


def _select_group(value: str) -> Iterator[int]:
    """Select processes that were started in a named group."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.environ().get(GROUP_VARIABLE, "")).name == value:
                yield process.pid


_SELECT: dict[str, Callable[[str], Iterator[int]]] = {
    "parent": _select_parent,
    "command": _select_command,
    "user": _select_user,
    "cgroup": _select_cgroup,
    "container": _select_container,
    "group": _select_group,
}
