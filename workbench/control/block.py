"""A control block: the one interface to an allocator or a workload, wherever it lives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from workbench.control.description import read_description
from workbench.control.discovery import BlockInfo, describe_block, find_path
from workbench.control.event import EVENT_FIELDS, EventBatch, EventKind
from workbench.control.metric import Axis, Metric
from workbench.control.native import decode_text, ffi, lib, make_error
from workbench.control.reader import Reader
from workbench.control.snapshot import Layout, Snapshot
from workbench.control.tunable import Action, Constraint, Tunable, Value
from workbench.errors import NoProcess, UnknownTunable, describe_unknown


def explain_no_block() -> tuple[str, bool]:
    """Say why a process like this one gets no control block.

    Returns
    -------
    str
        The folder, the reason and the remedy; empty if it gets one.
    bool
        Whether that is wanted: `HAKMEM_CONTROL=off`.
    """
    text = ffi.new("char[]", lib.HAK_ERROR_TEXT_BYTES)
    is_wanted = lib.hak_control_problem(text, lib.HAK_ERROR_TEXT_BYTES) != 0
    return decode_text(text), is_wanted


_EVENTS_A_CALL = 1024
_SLACK_WORDS = 1024


@dataclass(frozen=True)
class Settings:
    """Values of all tunables at one moment.

    Attributes
    ----------
    values : mapping of str to Value
        By name.
    generation : int
        Grows by one with each set.
    """

    values: Mapping[str, Value]
    generation: int


@dataclass(frozen=True)
class Adoption:
    """How far the latest settings have been taken up.

    Attributes
    ----------
    generation : int
        Of the requested settings.
    threads : int
        Threads that live; 0 if the block does not tell.
    adopted : int
        Those of them that act on the requested settings.
    """

    generation: int
    threads: int
    adopted: int


class ControlBlock:
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
        description = read_description(reader)
        self.tunables: Mapping[str, Tunable] = description.tunables
        self.actions: Mapping[str, Action] = description.actions
        self.constraints: tuple[Constraint, ...] = description.constraints
        self.metrics: Mapping[str, Metric] = description.metrics
        self.axes: Mapping[str, Axis] = description.axes
        self.event_kinds: Mapping[str, EventKind] = MappingProxyType(
            {kind.name: kind for kind in description.event_kinds}
        )
        self._kinds = description.event_kinds
        self._causes = description.event_causes
        self._index = description.places
        self._layouts: dict[tuple[int, ...], Layout] = {}
        self._word_capacity = _SLACK_WORDS

    @classmethod
    def open(cls, pid_or_path: int | str | os.PathLike[str], kind: str = "hakmem") -> Self:
        """Open the control block of a running process, or one by its file.

        Parameters
        ----------
        pid_or_path : int, str or path
            A file may also be that of a process which has ended: its last words can still be read.
        kind : str
            Which of the control blocks of the process, if a pid is given.

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
                reader.call(lib.hak_reader_alive)
        except BaseException:
            reader.close()
            raise
        return block

    @classmethod
    def own(cls) -> Self:
        """Open the block of the allocator that is linked into this process, whose names begin with ``hak_``.

        Raises
        ------
        NoProcess
            If that allocator publishes none.
        """
        path = ffi.string(lib.hak_control_path())
        if not path:
            raise NoProcess(f"the allocator in this process has no control block: {explain_no_block()[0]}")
        return cls.open(Path(os.fsdecode(path)))

    @property
    def info(self) -> BlockInfo:
        """Whose block this is, and whether that process lives now."""
        return describe_block(self._reader, self._path)

    def requested(self) -> Settings:
        """Read the values that were set last."""
        return self._read_settings(lib.hak_reader_requested)

    def effective(self) -> Settings:
        """Read the values that the process acts on."""
        return self._read_settings(lib.hak_reader_effective)

    def setter(self, generation: int) -> int | None:
        """Pid of the process that set a generation, if no other was set since; None if that is not known."""
        return self._reader.call(lib.hak_reader_setter, generation) or None

    def adoption(self, snapshot: Snapshot | None = None) -> Adoption:
        """Tell how many threads act on the requested settings.

        Parameters
        ----------
        snapshot : Snapshot, optional
            A fresh one to count in; else one is taken.
        """
        generation = self.requested().generation
        threads, adopted = (snapshot or self.snapshot()).count_adopted(generation)
        return Adoption(generation, threads, adopted)

    def set(self, values: Mapping[str, Value]) -> int:
        """Set tunables, all of them or none.

        Parameters
        ----------
        values : mapping of str to Value
            By name; a str is read as a person types it.

        Returns
        -------
        int
            Generation of the new settings.

        Raises
        ------
        UnknownTunable, BadParameter, OutOfRange, ConstraintBroken, StartOnly
            If a value cannot be set. Nothing is changed.
        ReadOnlyBlock, NoProcess
            If the process does not let itself be set, or has ended.
        """
        indices, words = self._encode(values)
        generation = ffi.new("uint64_t *")
        self._reader.call(lib.hak_reader_set, indices, words, len(words), generation)
        return int(generation[0])

    def act(self, name: str) -> int:
        """Ask for an action once; an event of the block tells when it was done and what came of it.

        Parameters
        ----------
        name : str
            One of `actions`.

        Returns
        -------
        int
            Generation of the settings with this request.

        Raises
        ------
        UnknownTunable
            If there is no such action.
        ReadOnlyBlock, NoProcess
            If the process does not let itself be set, or has ended.
        """
        if name not in self.actions:
            raise UnknownTunable(describe_unknown("action", name, self.actions))
        generation = ffi.new("uint64_t *")
        self._reader.call(lib.hak_reader_set, [self._index[name]], [1.0], 1, generation)
        return int(generation[0])

    def action_counts(self) -> Mapping[str, tuple[int, int]]:
        """Read how often each action was asked for, and how often it was done."""
        done, _ = self._read_words(lib.hak_reader_effective)
        asked, _ = self._read_words(lib.hak_reader_requested)
        places = {name: self._index[name] for name in self.actions}
        return {name: (round(asked[place]), round(done[place])) for name, place in places.items()}

    def check(self, values: Mapping[str, Value]) -> None:
        """Check values as `set` would, change nothing, and accept those that take effect at start.

        Parameters
        ----------
        values : mapping of str to Value
            By name; tunables that are left out count as requested now.

        Raises
        ------
        UnknownTunable, BadParameter, OutOfRange, ConstraintBroken
            If a process could not be started with them.
        """
        indices, words = self._encode(values)
        self._reader.call(lib.hak_reader_check, indices, words, len(words))

    def snapshot(self) -> Snapshot:
        """Read all metrics.

        Raises
        ------
        DamagedBlock
            If the block has become unreadable.
        """
        import numpy as np

        counts = np.empty(max(len(self.axes), 1), dtype=np.uint32)
        needed, time_ns = ffi.new("uint64_t *"), ffi.new("uint64_t *")
        while True:
            words = np.empty(self._word_capacity, dtype=np.int64)
            code, error = self._reader.try_call(
                lib.hak_reader_snapshot,
                ffi.from_buffer("uint32_t[]", counts, require_writable=True),
                len(self.axes),
                ffi.cast("uint64_t *", ffi.from_buffer(words, require_writable=True)),
                len(words),
                needed,
                time_ns,
            )
            if code >= 0:
                break
            if code != lib.HAK_ERROR_BUFFER:
                raise make_error(code, error)
            self._word_capacity = int(needed[0]) + _SLACK_WORDS
        layout = self._layout(tuple(int(count) for count in counts[: len(self.axes)]))
        return Snapshot(int(time_ns[0]) / 1e9, words[:code], layout)

    def events(self, cursor: int = 0, limit: int = 65536) -> EventBatch:
        """Read the events from a cursor on.

        Parameters
        ----------
        cursor : int
            0 for the oldest that are kept, else the `cursor` of the batch before.
        limit : int
            At most so many events.

        Returns
        -------
        EventBatch
            Possibly empty.
        """
        import numpy as np

        position, lost = ffi.new("uint64_t *", cursor), ffi.new("uint64_t *", 0)
        parts = []
        while limit > 0:
            records = np.empty(min(limit, _EVENTS_A_CALL), dtype=EVENT_FIELDS)
            before = position[0]
            count = self._reader.call(
                lib.hak_reader_events,
                position,
                ffi.cast("struct hak_event *", ffi.from_buffer(records, require_writable=True)),
                len(records),
                lost,
            )
            if position[0] == before:
                break
            parts.append(records[:count])
            limit -= count
        return EventBatch(
            records=np.concatenate(parts) if parts else np.empty(0, dtype=EVENT_FIELDS),
            cursor=int(position[0]),
            lost=int(lost[0]),
            kinds=self._kinds,
            causes=self._causes,
            axes=self.axes,
        )

    def alive(self) -> bool:
        """Whether the process runs and still publishes it."""
        code, _ = self._reader.try_call(lib.hak_reader_alive)
        return code == 0

    def close(self) -> None:
        """Close it. Calls under way in other threads finish; later ones raise WorkbenchError."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<ControlBlock {self._reader.kind} of process {self._reader.pid}>"

    def _encode(self, values: Mapping[str, Value]) -> tuple[list[int], list[float]]:
        for name in values:
            if name not in self.tunables:
                raise UnknownTunable(describe_unknown("tunable", name, self.tunables))
        words = [self.tunables[name].to_word(value) for name, value in values.items()]
        return [self._index[name] for name in values], words

    def _read_settings(self, function: Any) -> Settings:
        words, generation = self._read_words(function)
        values = {
            name: tunable.from_word(words[self._index[name]]) for name, tunable in self.tunables.items()
        }
        return Settings(values, generation)

    def _read_words(self, function: Any) -> tuple[Any, int]:
        words = ffi.new("double[]", max(len(self._index), 1))
        generation = ffi.new("uint64_t *")
        self._reader.call(function, words, len(self._index), generation)
        return words, int(generation[0])

    def _layout(self, counts: tuple[int, ...]) -> Layout:
        layout = self._layouts.get(counts)
        if layout is None:
            if len(self._layouts) > 64:  # rows come and go for ever in some programs
                self._layouts.clear()
            layout = self._layouts[counts] = Layout(self.metrics, self.axes, counts)
        return layout
