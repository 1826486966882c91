"""Groups of processes, such as a server with its workers. Who belongs to one may change at any time."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from workbench.control import WORKLOAD_KIND, BlockInfo, ControlBlock, Value, block_directory, find_blocks
from workbench.errors import BadParameter, NoProcess, WorkbenchError, describe_unknown
from workbench.units import format_number

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

    @property
    def path(self) -> Path | None:
        """File with the settings that a process of a named group begins with; None for another selector."""
        return group_path(self.value) if self.selector == "group" else None

    def set(self, values: Mapping[str, Value], kind: str | None = None) -> list[GroupAnswer]:
        """Set tunables in every process that has them; what starts later in a named group begins with them.

        Parameters
        ----------
        values : mapping of str to Value
            By name; a str is read as a person types it.
        kind : str, optional
            Only control blocks of this kind.

        Returns
        -------
        list of GroupAnswer
            One a control block, the workload runner's left out.

        Raises
        ------
        NoProcess
            If no process of the group can be tuned.
        """
        answers: dict[Path, GroupAnswer] = {}
        for _ in range(2):  # the second finds what began with the former file while the first went on
            for info in self.blocks(kind):
                if info.path not in answers and info.kind != WORKLOAD_KIND:
                    answers[info.path] = self._set_one(info, values)
        if not answers:
            raise NoProcess(
                f"group {self}: no process of it can be tuned; `workbench ps` lists those that can"
            )
        return list(answers.values())

    def _set_one(self, info: BlockInfo, values: Mapping[str, Value]) -> GroupAnswer:
        try:
            with ControlBlock.open(info.path) as block:
                block.check(values)
                if self.path is not None:
                    _keep(
                        self.path,
                        {name: block.tunables[name].to_word(value) for name, value in values.items()},
                    )
                return GroupAnswer(info, block.set(values))
        except WorkbenchError as error:
            return GroupAnswer(info, None, str(error))


@dataclass(frozen=True)
class GroupAnswer:
    """What came of a set in one process of a group.

    Attributes
    ----------
    info : BlockInfo
    generation : int or None
        The generation of its settings; None if it did not take the values.
    reason : str
        Why it did not; empty if it did.
    """

    info: BlockInfo
    generation: int | None
    reason: str = ""


def group_path(name: str) -> Path:
    """File of a named group, in shared memory: the settings that its processes begin with.

    Raises
    ------
    BadParameter
        If the name is none.
    """
    if not re.fullmatch(r"[\w-]{1,64}", name, re.ASCII):
        raise BadParameter(f"group '{name}': a name has at most 64 letters, digits, _ and -")
    return block_directory() / "groups" / name


def _keep(path: Path, words: Mapping[str, float]) -> None:
    """Write values into a group's file, beside what it holds; one writer at a time."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        kept = dict(line.split("=", 1) for line in text.splitlines())
        kept |= {name: format_number(word) for name, word in words.items()}
        new = path.with_name(f".{path.name}")
        new.write_text("".join(f"{name}={word}\n" for name, word in kept.items()), encoding="utf-8")
        new.chmod(0o600)  # who starts trusts no file that others may write
        new.replace(path)
    finally:
        os.close(folder)


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
    if selector == "group":
        group_path(value)
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
