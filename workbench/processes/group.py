"""Groups of processes, such as a server with its workers. Who belongs to one may change at any time."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import psutil

from workbench.control import WORKLOAD_KIND, BlockInfo, ControlBlock, Value, block_directory, find_blocks
from workbench.errors import BadParameter, NoProcess, NotDone, NotPermitted, WorkbenchError, describe_unknown
from workbench.units import format_number

#: Names the group that a program was started in, and is inherited by its children.
GROUP_VARIABLE = "WORKBENCH_GROUP"

T = TypeVar("T")
_MOST_PROCESSES = 1000
_MOST_AT_ONCE = 64


@dataclass(frozen=True)
class Group:
    """Processes that have something in common: a selector such as "parent" or "command", and its value."""

    selector: str
    value: str

    def __str__(self) -> str:
        return f"{self.selector}:{self.value}"

    def pids(self) -> list[int]:
        """Processes that belong to it now, in ascending order; never this one.

        BadParameter if there are more than anybody means to tune.
        """
        pids = sorted(set(_SELECT[self.selector](self.value)) - {os.getpid()})
        if len(pids) > _MOST_PROCESSES:
            raise BadParameter(
                f"group {self} has {len(pids)} processes, more than {_MOST_PROCESSES}: choose fewer"
            )
        return pids

    def blocks(self, kind: str | None = None) -> list[BlockInfo]:
        """Control blocks of its processes that can be tuned now, in the order of their pids.

        They are of the given kind, or without one of any allocator. NoProcess or NotPermitted if there is
        none.
        """
        pids = set(self.pids())
        found = [
            info
            for info in find_blocks(kind=kind)
            if info.pid in pids and (kind is not None or info.kind != WORKLOAD_KIND)
        ]
        if not found:
            if foreign := self.describe_foreign():
                raise NotPermitted(foreign)
            what = "no process of it can be tuned" if pids else "there is no such process"
            raise NoProcess(f"group {self}: {what}; `workbench ps` lists those that can be tuned")
        return found

    def describe_foreign(self) -> str:
        """One line about its processes that only another user can tune; empty if there are none."""
        users: Counter[str] = Counter()
        for pid in set(self.pids()) - {info.pid for info in find_blocks()}:
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                if process.uids().effective != os.geteuid():
                    users[process.username()] += 1
        if not users:
            return ""
        told = ", ".join(f"{count} belong to the user {name}" for name, count in users.items())
        return f"group {self}: of its processes {told}; run the workbench as that user to tune them"

    @property
    def path(self) -> Path | None:
        """File with the settings that a process of a named group begins with; None for another selector."""
        return group_path(self.value) if self.selector == "group" else None

    def set_one(self, block: ControlBlock, values: Mapping[str, Value]) -> int:
        """Set tunables in one process of it, as `ControlBlock.set` does; a named group keeps them."""
        block.check(values)
        tunables = {name: one for name, one in block.tunables.items() if name in values}
        self.keep({name: format_number(one.to_word(values[name])) for name, one in tunables.items()})
        return block.set(values)

    def kept(self) -> dict[str, str]:
        """Words of the settings that processes of a named group begin with, by tunable."""
        if self.path is None or not self.path.exists():
            return {}
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def keep(self, words: Mapping[str, str | None]) -> None:
        """Write words into a named group's file, beside what it holds; None removes one."""
        if (path := self.path) is None:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # one writer at a time
            kept = self.kept()
            wanted = {name: word for name, word in (kept | dict(words)).items() if word is not None}
            if wanted == kept:  # for another process of the group
                return
            new = path.with_name(f".{path.name}")
            new.write_text("".join(f"{name}={word}\n" for name, word in wanted.items()), encoding="utf-8")
            new.chmod(0o600)  # who starts trusts no file that others may write
            new.replace(path)
        finally:
            os.close(folder)

    def each(self, act: Callable[[ControlBlock], T], kind: str | None = None) -> list[GroupAnswer[T]]:
        """Do something with every control block of `blocks`, several at a time, and tell what came of it."""

        def try_one(info: BlockInfo) -> GroupAnswer[T] | None:
            try:
                with ControlBlock.open(info.path) as block:
                    return GroupAnswer(info, act(block))
            except WorkbenchError as error:
                has_ended = all(info.path != one.path for one in find_blocks(info.pid))
                return None if has_ended else GroupAnswer(info, None, str(error), isinstance(error, NotDone))

        answers: dict[Path, GroupAnswer[T]] = {}
        found = self.blocks(kind)
        with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
            # The second pass finds what was forked from a process that the first had not yet reached.
            for _ in range(2):
                rest = [info for info in found if info.path not in answers]
                answers |= {one.info.path: one for one in pool.map(try_one, rest) if one is not None}
                with suppress(NoProcess):
                    found = self.blocks(kind)
        if not answers:
            raise NoProcess(f"group {self}: its processes have ended")
        return list(answers.values())


@dataclass(frozen=True)
class GroupAnswer(Generic[T]):
    """What came of an attempt in one process of a group: the value, or None and the reason for a failure."""

    info: BlockInfo
    value: T | None
    reason: str = ""
    is_late: bool = False  #: it was asked rightly, and did not do it in time


def group_path(name: str) -> Path:
    """File of a named group, in shared memory: the settings that its processes begin with.

    BadParameter if no group can have the name.
    """
    if not re.fullmatch(r"[\w-]{1,64}", name, re.ASCII):
        raise BadParameter(f"group '{name}': a name has at most 64 letters, digits, _ and -")
    return block_directory() / "groups" / name


def parse_group(text: str) -> Group:
    """Read a group as a command line gives it, such as "command:postgres"; BadParameter if it is none."""
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
    if selector == "group":
        group_path(value)
    return Group(selector, value)


def find_groups(infos: Iterable[BlockInfo]) -> dict[Group, str]:
    """Groups among some processes, each in words: all of a name, a parent with its children."""
    pids = {info.pid for info in infos}
    members: dict[Group, set[int]] = {}
    words: dict[Group, str] = {}
    parents: dict[int, int] = {}
    for pid in sorted(pids):
        with suppress(psutil.Error):
            name = psutil.Process(pid).name()
            group = Group("command", f"^{re.escape(name)}$")
            members.setdefault(group, set()).add(pid)
            words[group] = name
            ancestor = pid
            while ancestor > 1:
                if ancestor not in parents:
                    parents[ancestor] = psutil.Process(ancestor).ppid()
                ancestor = parents[ancestor]
                if ancestor in pids:
                    group = Group("parent", str(ancestor))
                    members.setdefault(group, {ancestor}).add(pid)
                    words[group] = f"{psutil.Process(ancestor).name()} {ancestor} with its children"
    return {
        group: f"{words[group]}: {len(found)} processes" for group, found in members.items() if len(found) > 1
    }


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
    return _match_cgroups(rf"^\d+:[^:]*:{re.escape(value.rstrip('/'))}(/|$)")


def _select_container(value: str) -> Iterator[int]:
    """Select processes in whose cgroup's path a folder's name holds the container's identifier."""
    return _match_cgroups(rf"[/:-]{re.escape(value)}[0-9a-f]*(\.scope)?(/|$)")


def _match_cgroups(pattern: str) -> Iterator[int]:
    for pid in psutil.pids():
        with suppress(OSError):
            text = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
            if re.search(pattern, text, re.MULTILINE):
                yield pid


def _select_group(value: str) -> Iterator[int]:
    """Select processes that were started in a named group, and all that descend from them.

    A child may have written its title over the environment that it inherited, as those of PostgreSQL do.
    """
    parents: dict[int, int] = {}
    started: set[int] = set()
    for process in psutil.process_iter(["ppid", "environ"]):
        parents[process.pid] = process.info["ppid"] or 0
        if Path((process.info["environ"] or {}).get(GROUP_VARIABLE, "")).name == value:
            started.add(process.pid)
    for pid in parents:
        ancestor = pid
        while ancestor and ancestor not in started:
            ancestor = parents.get(ancestor, 0)
        if ancestor:
            yield pid


_SELECT: dict[str, Callable[[str], Iterator[int]]] = {
    "parent": _select_parent,
    "command": _select_command,
    "user": _select_user,
    "cgroup": _select_cgroup,
    "container": _select_container,
    "group": _select_group,
}
