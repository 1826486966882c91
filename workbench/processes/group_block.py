"""The control blocks of all processes of a group, used like that of one process."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from workbench.bindings.reader import Reader
from workbench.control import (
    Adoption,
    BlockInfo,
    ControlBlock,
    EventBatch,
    Settings,
    Snapshot,
    SnapshotJoiner,
    Value,
    check_values,
    describe_counts,
    tabulate_tunables,
)
from workbench.errors import BadParameter, NoProcess, NotPermitted, PartlySet, WorkbenchError
from workbench.processes.group import Group, parse_group
from workbench.table import Table

T = TypeVar("T")
_LOOK_INTERVAL_S = 1.0
#: A server that is started again has no process for a while.
_EMPTY_S = 5.0
#: Values are read again after so long: a panel asks for them several times in a row.
_FRESH_S = 0.2
_PIDS_TOLD = 8


class GroupBlock(ControlBlock):
    """All control blocks of a group that describe the same allocator; usable from any thread.

    A metric is the sum over the processes, a maximum the highest of them; `Snapshot.parts` has those of each.
    The value of a tunable is what most of them have. A set reaches all of them, and a process that comes
    later gets what was set before. Who comes and goes is looked for once a second.

    Parameters
    ----------
    group : Group or str
        Such as "command:postgres".
    kind : str, optional
        Kind of the control blocks; by default that of most of the processes.

    Raises
    ------
    NoProcess, NotPermitted, BadParameter
        If there is nothing to open, or far too much.
    """

    def __init__(self, group: Group | str, kind: str | None = None) -> None:
        self.group = parse_group(group) if isinstance(group, str) else group
        found = self.group.blocks(kind)
        self.kind = kind or Counter(info.kind for info in found).most_common(1)[0][0]
        first = next(info.path for info in found if info.kind == self.kind)
        super().__init__(Reader(first), first)
        self._template = ControlBlock.open(first)
        self._lock = threading.RLock()
        self._joiner = SnapshotJoiner(self.metrics, self.axes)
        self._members: Mapping[Path, ControlBlock] = {}  # replaced as a whole
        self._pids: dict[Path, int] = {}
        self._left_out: dict[Path, BlockInfo] = {}
        self._cursors: dict[Path, int] = {}
        self._lasting: dict[str, Value] = {}  # what a process that comes later gets
        # What each is given back in the end: what it had when it was first seen.
        self._first: dict[Path, dict[str, Value]] = {}
        self._kept = self.group.kept()
        self._requested = Settings({}, 0)
        self._counted_s, self._counted = -1.0, self._count([])
        self._seen_s = time.monotonic()
        self._news: list[str] = []
        self._follow(found)
        # And a process that comes later, of what was set here before: what it would have had.
        self._usual = {**self.requested().values, **self._read_words(self._kept)}
        self._news = list(filter(None, [self.group.describe_foreign(), self._describe_left_out()]))
        self._end = threading.Event()
        self._looker = threading.Thread(target=self._look, name=f"group {group}", daemon=True)
        self._looker.start()

    @property
    def members(self) -> Sequence[ControlBlock]:
        """The control blocks of its processes now, in the order of their pids."""
        with self._lock:
            return [self._members[path] for path in sorted(self._pids, key=self._pids.__getitem__)]

    @property
    def pids(self) -> list[int]:
        """Its processes now, in ascending order."""
        return sorted(self._pids.values())

    @property
    def info(self) -> BlockInfo:
        """The first process, under the name of the group."""
        return dataclasses.replace(super().info, command=str(self), alive=self.alive())

    @property
    def _target(self) -> str:
        return shlex.quote(str(self.group))

    def alive(self) -> bool:
        """Whether it has a process, or had one a moment ago: a server may be started again."""
        with self._lock:
            if any(block.alive() for block in self._members.values()):
                self._seen_s = time.monotonic()
        return time.monotonic() - self._seen_s < _EMPTY_S

    def _each(self, act: Callable[[ControlBlock], T]) -> list[T]:
        with self._lock:
            return [act(block) for block in self._members.values()]

    def take_news(self) -> list[str]:
        """Lines about what happened since the last call: who came and went, and who is left out."""
        with self._lock:
            news, self._news = self._news, []
            return news

    # --- values ---

    def requested(self) -> Settings:
        """Read what most processes were set to last; the generation grows by one when that changes."""
        with self._lock:
            values = {name: next(iter(found)) for name, found in self._count_requested().items()}
            if values and values != self._requested.values:
                self._requested = Settings(values, self._requested.generation + 1)
            return self._requested

    def effective(self) -> Settings:
        """Read what most processes act on; its generation is that of `requested` once all of them do."""
        with self._lock:
            asked, acting = self.requested(), self._each(ControlBlock.effective)
            values = {name: next(iter(found)) for name, found in self._count(acting).items()}
            wanted = self._each(lambda block: block.requested().generation)
            are_done = all(one.generation >= least for one, least in zip(acting, wanted, strict=True))
            return Settings({**asked.values, **values}, asked.generation - (not are_done))

    def differing(self) -> Mapping[str, str]:
        """Tunables of which not all processes have the same value, and how many have which."""
        return {
            name: describe_counts(
                {self.tunables[name].format_bare(value): count for value, count in found.items()}
            )
            for name, found in self._count_requested().items()
            if len(found) > 1
        }

    def _count_requested(self) -> Mapping[str, Mapping[Value, int]]:
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._counted_s >= _FRESH_S:
                self._counted_s, self._counted = now_s, self._count(self._each(ControlBlock.requested))
            return self._counted

    def _count(self, settings: Iterable[Settings]) -> dict[str, dict[Value, int]]:
        """How many processes have each value, the most frequent first."""
        alike = Counter(tuple(one.values.values()) for one in settings)
        counts: dict[str, dict[Value, int]] = {}
        for place, name in enumerate(self.tunables if alike else ()):
            found: Counter[Value] = Counter()
            for values, count in alike.items():
                found[values[place]] += count
            counts[name] = dict(found.most_common())
        return counts

    def setter(self, generation: int) -> int | None:  # noqa: ARG002
        """None: it is known of each process only."""
        return None

    def set(self, values: Mapping[str, Value]) -> int:
        """Set tunables in every process, each takes all of them or none; actions as well.

        Raises
        ------
        PartlySet
            If some did not take them.
        UnknownTunable, BadParameter, OutOfRange, ConstraintBroken, StartOnly, ReadOnlyBlock, NoProcess
            If none did.
        """
        check_values(values)
        lasting = {name: value for name, value in values.items() if name in self.tunables}

        def set_one(_: Path, block: ControlBlock) -> None:
            self.group.set_one(block, values)

        return self._set_each(set_one, self._lasting | lasting)

    def restore(self) -> int:
        """Give each process what it had when it was first seen, and a named group's file what it held.

        A process that came later is given, in place of what was set here before it came, what the file held,
        or else what most processes had. Raises what `set` does.
        """

        def restore_one(path: Path, block: ControlBlock) -> None:
            now, first = block.requested().values, self._first[path]
            values = {
                name: first[name]
                for name, tunable in self.tunables.items()
                if tunable.effect != "start" and first[name] != now[name]
            }
            if values:
                block.set(values)

        with self._lock:
            self.group.keep({name: self._kept.get(name) for name in self._lasting})
            return self._set_each(restore_one, {})

    def _set_each(self, act: Callable[[Path, ControlBlock], object], lasting: dict[str, Value]) -> int:
        with self._lock:
            refused: dict[str, list[int]] = {}
            errors: list[WorkbenchError] = []
            taken = 0
            for path, block in self._members.items():
                try:
                    act(path, block)
                    taken += 1
                except NoProcess:  # it ended just now
                    continue
                except WorkbenchError as error:
                    errors.append(error)
                    refused.setdefault(str(error), []).append(block.info.pid)
            if not taken:
                raise errors[0] if errors else NoProcess(f"group {self.group}: it has no process now")
            self._lasting = lasting
            self._counted_s = -1.0
            self._requested = Settings(self.requested().values, self._requested.generation + 1)
            generation = self._requested.generation
        if errors:
            told = "; ".join(f"{reason} ({_list_pids(pids)})" for reason, pids in refused.items())
            raise PartlySet(
                f"{len(errors)} of {taken + len(errors)} processes did not take it: {told}", generation
            )
        return generation

    def check(self, values: Mapping[str, Value]) -> None:
        """Check values as `set` would, and change nothing; the first error of a process is raised."""
        self._each(lambda block: block.check(values))

    def adoption(self) -> Adoption:
        """Tell how many threads of all processes act on what was requested of theirs."""
        parts = self._each(ControlBlock.adoption)
        threads, adopted = sum(one.threads for one in parts), sum(one.adopted for one in parts)
        return Adoption(self.requested().generation, threads, adopted)

    def action_counts(self) -> Mapping[str, tuple[int, int]]:
        """Read how often each action was asked of all processes, and how often it was done."""
        parts = self._each(ControlBlock.action_counts)
        return {
            name: (sum(one[name][0] for one in parts), sum(one[name][1] for one in parts))
            for name in self.actions
        }

    # --- metrics and events ---

    def snapshot(self) -> Snapshot:
        """Read all metrics of all processes, as one snapshot."""
        with self._lock:
            return self._joiner.join({path: block.snapshot() for path, block in self._members.items()})

    def events(self, cursor: int = 0, limit: int = 65536) -> EventBatch:
        """Read the events of all processes since the last call, in the order of time.

        Parameters
        ----------
        cursor : int
            0 for the oldest that are kept; any other goes on where the last call ended.
        limit : int
            At most so many events of a process.
        """
        import numpy as np

        with self._lock:
            if cursor == 0:
                self._cursors.clear()
            batches = []
            for path, block in self._members.items():
                batches.append(block.events(self._cursors.get(path, 0), limit))
                self._cursors[path] = batches[-1].cursor
            if not batches:
                return dataclasses.replace(super().events(limit=0), cursor=1)
            records = np.concatenate([one.records for one in batches])
            order = np.argsort(records["time_ns"], kind="stable")
            lost = sum(one.lost for one in batches)
            return dataclasses.replace(batches[0], records=records[order], cursor=1, lost=lost)

    # --- who belongs to it ---

    def refresh(self) -> None:
        """Look who came and went. This happens by itself once a second."""
        found: list[BlockInfo] = []
        try:
            with contextlib.suppress(NoProcess, NotPermitted):
                found = self.group.blocks()
        except BadParameter as error:  # it has become too large
            self._tell(str(error))
            return
        self._follow(found)

    def _look(self) -> None:
        while not self._end.wait(_LOOK_INTERVAL_S):
            self.refresh()

    def _follow(self, found: list[BlockInfo]) -> None:
        alike = {info.path: info for info in found if info.kind == self.kind}
        with self._lock:
            before = self._members
            # One that has become another program (exec) has a new block under the old name.
            members = {path: block for path, block in before.items() if path in alike and block.alive()}
            for path, info in alike.items():
                if path in members or path in self._left_out:
                    continue
                try:
                    block = self._template.open_alike(path)
                except WorkbenchError:  # it ended just now
                    continue
                if (block.tunables, block.metrics, block.axes) != (self.tunables, self.metrics, self.axes):
                    self._left_out[path] = info
                    self._tell(self._describe_left_out())
                    block.close()
                    continue
                members[path] = block
                earlier = {name: self._usual[name] for name in self._lasting}
                self._first[path] = {**block.requested().values, **earlier}
                self._catch_up(block)
            self._left_out |= {info.path: info for info in found if info.kind != self.kind}
            began, ended = members.keys() - before.keys(), before.keys() - members.keys()
            pids = self._pids | {path: info.pid for path, info in alike.items() if path in members}
            self._members = members
            self._pids = {path: pids[path] for path in members}
            for path in (path for path, block in before.items() if members.get(path) is not block):
                self._cursors.pop(path, None)
                self._joiner.forget(path)
                before[path].close()
                if path in ended:
                    self._first.pop(path, None)
            self._counted_s = -1.0
            for what, paths in (("began", began), ("ended", ended)):
                if paths:
                    now = "1 process" if len(members) == 1 else f"{len(members)} processes"
                    self._tell(f"{what}: {_list_pids(pids[path] for path in paths)}; {now} now")

    def _catch_up(self, block: ControlBlock) -> None:
        """Give a process that came later what was set before it came."""
        wanted = {
            name: value for name, value in self._lasting.items() if block.tunables[name].effect != "start"
        }
        if not wanted:
            return
        try:
            block.set(wanted)
        except NoProcess:
            return
        except WorkbenchError as error:
            self._tell(f"process {block.info.pid} came later and did not take what was set before: {error}")

    def _read_words(self, words: Mapping[str, str]) -> dict[str, Value]:
        """Values of a group's file; what stands there for other allocators, or is no number, is left out."""
        values: dict[str, Value] = {}
        for name in words.keys() & self.tunables.keys():
            with contextlib.suppress(ArithmeticError, ValueError):
                values[name] = self.tunables[name].from_word(float(words[name]))
        return values

    def _describe_left_out(self) -> str:
        kinds = Counter(info.kind for info in self._left_out.values())
        told = ", ".join(f"{count} of {kind}" for kind, count in kinds.items())
        return (
            f"group {self.group}: left out is what does not fit {self.kind} or its version: {told}"
            if told
            else ""
        )

    def _tell(self, line: str) -> None:
        with self._lock:
            self._news.append(line)

    def to_table(self) -> Table:
        """A row a tunable; where values differ, how many processes have which."""
        return dataclasses.replace(tabulate_tunables(self._members.values()), caption=str(self))

    def close(self) -> None:
        """Let go of all processes."""
        self._end.set()
        if self._looker is not threading.current_thread():
            self._looker.join()
        with self._lock:
            for block in (self._template, *self._members.values()):
                block.close()
            self._members = {}
        super().close()

    def __str__(self) -> str:
        count = len(self._members)
        return f"{self.group} ({count} {'process' if count == 1 else 'processes'})"

    def __repr__(self) -> str:
        closed = "" if self._reader.is_open else ", closed"
        return f"<GroupBlock {self.kind} of {self}{closed}>"


def _list_pids(pids: Iterable[int]) -> str:
    listed = sorted(pids)
    more = f" and {len(listed) - _PIDS_TOLD} more" if len(listed) > _PIDS_TOLD else ""
    return ", ".join(map(str, listed[:_PIDS_TOLD])) + more
