"""A control block: the one interface to an allocator or a workload, wherever it lives."""

from __future__ import annotations

import copy
import html
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from workbench.bindings.allocator import control_path, explain_no_block
from workbench.bindings.reader import Reader
from workbench.control.description import (
    by_name,
    read_axes,
    read_constraints,
    read_event_kinds,
    read_metrics,
    read_settable,
)
from workbench.control.discovery import WORKLOAD_KIND, BlockInfo, describe_block, find_path
from workbench.control.event import EVENT_FIELDS, Event, EventBatch, EventKind
from workbench.control.ghosts import foretell, has_ghosts
from workbench.control.snapshot import Layout, Snapshot
from workbench.control.tunable import DO, Action, Tunable, Value
from workbench.display import Displayed
from workbench.errors import BadParameter, NoProcess, UnknownTunable, describe_unknown
from workbench.table import Table

if TYPE_CHECKING:
    from workbench.curves import WhatIf

_EVENTS_A_CALL = 1024
_SLACK_WORDS = 1024
_MOST_LOOK_S = 3600


@dataclass(frozen=True)
class Settings:
    """Values of all tunables at one moment, by name. The generation grows by one with each set."""

    values: Mapping[str, Value]
    generation: int


@dataclass(frozen=True)
class Adoption:
    """How many of the living threads act on the requested settings; there are 0 if the block tells none."""

    generation: int
    threads: int
    adopted: int


class ControlBlock(Displayed):
    """An open control block. Every method may be called from any thread, at any time.

    Open one with `ControlBlock.open` or `ControlBlock.own`; it is a context manager.

    Attributes
    ----------
    tunables : mapping of str to Tunable
    actions : mapping of str to Action
    constraints : tuple of Constraint
    metrics : mapping of str to Metric
    axes : mapping of str to Axis
    event_kinds : mapping of str to EventKind
    """

    def __init__(self, reader: Reader, path: Path) -> None:
        self._reader = reader
        self._path = path
        settable, axes = read_settable(reader), read_axes(reader)
        self.tunables = by_name([item for item in settable if isinstance(item, Tunable)])
        self.actions = by_name([item for item in settable if isinstance(item, Action)])
        self._settable = by_name(settable)
        self.constraints = read_constraints(reader, settable)
        self.axes = by_name(axes)
        self.metrics = by_name(read_metrics(reader, axes))
        self._kinds = read_event_kinds(reader, axes)
        self.event_kinds: Mapping[str, EventKind] = MappingProxyType(
            {kind.name: kind for kind in self._kinds}
        )
        self._causes = tuple(cause["name"] for cause in reader.describe("event_cause"))
        self._index = {item.name: place for place, item in enumerate(settable)}
        self._layout: Layout | None = None  # of the snapshot before
        self._word_capacity = _SLACK_WORDS

    @classmethod
    def open(cls, pid_or_path: int | str | os.PathLike[str], kind: str | None = None) -> Self:
        """Open the control block of a running process, or one by its file.

        Parameters
        ----------
        pid_or_path : int, str or path
            A file may also be that of a process which has ended: its last words can still be read.
        kind : str, optional
            Which of the control blocks of the process, if a pid is given; its allocator's by default.

        Raises
        ------
        NoProcess, NotPermitted, WrongAbi, DamagedBlock
            If there is no block to read.
        """
        path = find_path(pid_or_path, kind) if isinstance(pid_or_path, int) else Path(pid_or_path)
        reader = Reader(path)
        try:
            block = cls(reader, path)
            if isinstance(pid_or_path, int):
                reader.check_alive()
        except BaseException:
            reader.close()
            raise
        return block

    def open_alike(self, path: Path) -> ControlBlock:
        """Open that of another process; one of the same build has the descriptors of this one, unread.

        Raises
        ------
        NoProcess, NotPermitted, WrongAbi, DamagedBlock
            If there is no block to read.
        """
        reader = Reader(path)
        if (reader.kind, reader.build) != (self._reader.kind, self._reader.build):
            return ControlBlock(reader, path)
        block = copy.copy(self)
        block._reader, block._path, block._layout = reader, path, None
        return block

    @classmethod
    def own(cls) -> Self:
        """Open the block of the allocator that is linked into this process, whose names begin with ``hak_``.

        NoProcess if that allocator publishes none.
        """
        path = control_path()
        if not path:
            raise NoProcess(f"the allocator in this process has no control block: {explain_no_block()[0]}")
        return cls.open(Path(os.fsdecode(path)))

    def open_workload(self) -> ControlBlock | None:
        """Open the block that a workload of ours publishes in the same process; None if there is none."""
        beside = self._path.with_suffix(f".{WORKLOAD_KIND}")
        return ControlBlock.open(beside) if beside.exists() else None

    @property
    def members(self) -> Sequence[ControlBlock]:
        """Those of the single processes, where it stands for several."""
        return (self,)

    @property
    def info(self) -> BlockInfo:
        """Whose block this is, and whether that process lives now."""
        return describe_block(self._reader, self._path)

    def requested(self) -> Settings:
        """Read the values that were set last."""
        return self._make_settings(*self._reader.requested(len(self._index)))

    def effective(self) -> Settings:
        """Read the values that the process acts on."""
        return self._make_settings(*self._reader.effective(len(self._index)))

    def setter(self, generation: int) -> int | None:
        """Pid of the process that set a generation, if no other was set since; None if that is not known."""
        return self._reader.setter(generation) or None

    def adoption(self) -> Adoption:
        """Tell how many threads act on the requested settings."""
        generation = self.requested().generation
        return Adoption(generation, *self.snapshot().count_adopted(generation))

    def set(self, values: Mapping[str, Value]) -> int:
        """Set tunables by name, all of them or none; a str is read as a person types it.

        An action among them has the value DO, and is asked for together with them.

        Returns
        -------
        int
            Generation of the new settings.

        Raises
        ------
        UnknownTunable, BadParameter, OutOfRange, ConstraintBroken, StartOnly
            If a value cannot be set; nothing is changed.
        ReadOnlyBlock, NoProcess
            If the process does not let itself be set, or has ended.
        Leased
            If a lease that this block took has lapsed; told once, so that nothing is held without a lease.
        """
        check_values(values)
        return self._reader.set(*self._encode(values))

    def take_lease(
        self, back: Mapping[str, Value], held: Mapping[str, Value], *, number: int, length_s: float
    ) -> None:
        """Hold a lease: unless it is renewed in time, the process itself goes back.

        It changes no setting. When it lapses, each of these tunables that is set to its `held` value then has
        its `back` value, even if nobody is left to set it.

        Parameters
        ----------
        back, held : mapping of str to Value
            Both have the same tunables.
        number : int
            Names the holder, together with this process; below 2 ** 32.
        length_s : float

        Raises
        ------
        Leased
            If another lease holds.
        UnknownTunable, BadParameter, OutOfRange, ConstraintBroken, StartOnly
            If a value cannot be set.
        ReadOnlyBlock, NoProcess
            If the process does not let itself be set, cannot go back by itself, or has ended.
        """
        indices, words = self._encode(back)
        _, held_words = self._encode({name: held[name] for name in back})
        self._reader.take_lease(indices, words, held_words, number, length_s)

    def renew_lease(self, number: int, length_s: float) -> None:
        """Renew the lease of that number, for so long from now; Leased if it has lapsed."""
        self._reader.renew_lease(number, length_s)

    def end_lease(self, number: int) -> None:
        """End the lease of that number; tunables keep their values. Leased if it has lapsed."""
        self._reader.end_lease(number)

    def act(self, name: str) -> int:
        """Ask for one of `actions` once; an event tells when it was done and what came of it.

        Returns the generation of the settings with this request. Errors are those of `set`.
        """
        if name not in self.actions:
            raise UnknownTunable(describe_unknown("action", name, self.actions))
        return self.set({name: DO})

    def action_counts(self) -> Mapping[str, tuple[int, int]]:
        """Read how often each action was asked for, and how often it was done."""
        done, _ = self._reader.effective(len(self._index))
        asked, _ = self._reader.requested(len(self._index))
        places = {name: self._index[name] for name in self.actions}
        return {name: (round(asked[place]), round(done[place])) for name, place in places.items()}

    def select_done(self, batch: EventBatch) -> list[Event]:
        """Events of the block that tell what came of an action; `item` is its name."""
        kinds = [
            kind.name
            for kind in self._kinds
            if kind.unit and kind.axis and not self.actions.keys().isdisjoint(self.axes[kind.axis].labels)
        ]
        return [event for event in batch.select(*kinds) if event.item in self.actions]

    def check(self, values: Mapping[str, Value]) -> None:
        """Check values as `set` would, change nothing, and accept those that take effect at start.

        Tunables that are left out count as requested now. Errors are those of `set`, if a process could not
        be started with these values.
        """
        self._reader.check(*self._encode(values))

    def snapshot(self) -> Snapshot:
        """Read all metrics; DamagedBlock if the block has become unreadable."""
        import numpy as np

        counts = np.empty(max(len(self.axes), 1), dtype=np.uint32)
        used = None
        while used is None:
            words = np.empty(self._word_capacity, dtype=np.int64)
            used, needed, time_ns = self._reader.snapshot(counts, len(self.axes), words)
            if used is None:
                self._word_capacity = needed + _SLACK_WORDS
        rows = tuple(counts[: len(self.axes)].tolist())
        layout = self._layout
        if layout is None or tuple(layout.counts.values()) != rows:
            layout = self._layout = Layout(self.metrics, self.axes, rows)
        return Snapshot(time_ns / 1e9, words[:used], layout)

    def whatif(self, seconds: float = 1.0) -> WhatIf:
        """Wait, and tell what thread caches of other capacities would have done meanwhile.

        Parameters
        ----------
        seconds : float
            The longer, the better the estimate.

        Raises
        ------
        BadParameter
            If the allocator keeps no count of it, or does not now.
        """
        if isinstance(seconds, str) or not 0 < seconds <= _MOST_LOOK_S:  # a NaN, too
            raise BadParameter(
                f"seconds: {seconds!r} is out of range; give a number above 0, up to {_MOST_LOOK_S}"
            )
        before = self.snapshot()
        time.sleep(seconds)
        after = self.snapshot()
        if not has_ghosts(after):
            raise BadParameter(f"process {self.info.pid}: no ghosts count there; {self._explain_ghosts()}")
        return foretell(before, after, self.info.kind, self.effective().values)

    @property
    def _target(self) -> str:
        """What a command line names it by."""
        return str(self._reader.pid)

    def _explain_ghosts(self) -> str:
        names = {
            metric.name.partition(".")[0]
            for metric in self.metrics.values()
            if metric.role == "ghost observed"
        }
        switches = [
            name
            for name, one in self.tunables.items()
            if one.type == "bool" and name.partition(".")[0] in names
        ]
        return (
            f"switch them on: `workbench set {self._target} {switches[0]}=on`"
            if switches
            else f"{self.info.kind} has none"
        )

    def events(self, cursor: int = 0, limit: int = 65536) -> EventBatch:
        """Read the events from a cursor on, at most `limit`.

        The cursor is 0 for the oldest that are kept, else the `cursor` of the batch before.
        """
        import numpy as np

        parts, lost = [], 0
        while limit > 0:
            records = np.empty(min(limit, _EVENTS_A_CALL), dtype=EVENT_FIELDS)
            before = cursor
            count, cursor, overwritten = self._reader.events(before, records)
            lost += overwritten
            if cursor == before:
                break
            parts.append(records[:count])
            limit -= count
        return EventBatch(
            records=np.concatenate(parts) if parts else np.empty(0, dtype=EVENT_FIELDS),
            cursor=cursor,
            lost=lost,
            kinds=self._kinds,
            causes=self._causes,
            axes=self.axes,
        )

    def alive(self) -> bool:
        """Whether the process runs and still publishes it."""
        return self._reader.is_alive()

    def to_table(self) -> Table:
        """A row a tunable: its value now, and what its descriptor says."""
        info, adoption = self.info, self.adoption()
        return replace(
            tabulate_tunables([self]),
            caption=f"{info.kind} of process {info.pid}: {info.command}",
            notes=[
                f"generation {adoption.generation}, adopted by {adoption.adopted} of "
                f"{adoption.threads} threads"
            ],
        )

    def close(self) -> None:
        """Close it. Calls under way in other threads finish; later ones raise WorkbenchError."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        closed = "" if self._reader.is_open else ", closed"
        return f"<ControlBlock {self._reader.kind} of process {self._reader.pid}{closed}>"

    def _repr_html_(self) -> str:
        return super()._repr_html_() if self._reader.is_open else f"<p>{html.escape(repr(self))}</p>"

    def _encode(self, values: Mapping[str, Value]) -> tuple[list[int], list[float]]:
        for name in values:
            if name not in self._settable:
                raise UnknownTunable(describe_unknown("tunable", str(name), self.tunables))
        words = [self._settable[name].to_word(value) for name, value in values.items()]
        return [self._index[name] for name in values], words

    def _make_settings(self, words: list[float], generation: int) -> Settings:
        values = {
            name: tunable.from_word(words[self._index[name]]) for name, tunable in self.tunables.items()
        }
        return Settings(values, generation)


def check_values(values: object) -> None:
    """See that what somebody sets has names and values; BadParameter if not."""
    if not isinstance(values, Mapping):
        raise BadParameter(f"values: {values!r} is not a mapping such as {{'NAME': VALUE}}")


def tabulate_tunables(blocks: Iterable[ControlBlock]) -> Table:
    """A row a tunable of one process or several; where their values differ, how many have which."""
    known: dict[str, Tunable] = {}
    texts: dict[str, Counter[str]] = defaultdict(Counter)
    for block in blocks:
        requested, effective = block.requested().values, block.effective().values
        for name, tunable in block.tunables.items():
            known.setdefault(name, tunable)
            text = tunable.format_bare(requested[name])
            if effective[name] != requested[name]:
                text += f" (still {tunable.format_bare(effective[name])})"
            texts[name][text] += 1
    return Table.of(
        known.values(),
        {
            "tunable": lambda one: one.name,
            "value": lambda one: describe_counts(texts[one.name]),
            "default": lambda one: one.format_bare(one.default),
            "range": Tunable.describe_range,
            "takes effect": lambda one: one.effect,
            "what it does": lambda one: one.help,
        },
        right=("value", "default"),
        wrapped=("what it does",),
        dropped=("what it does", "takes effect", "range", "default"),
    )


def describe_counts(texts: Mapping[str, int]) -> str:
    """One text as it is; of several, in how many processes each is."""
    if len(texts) == 1:
        return next(iter(texts))
    return ", ".join(f"{text} in {count}" for text, count in texts.items())
