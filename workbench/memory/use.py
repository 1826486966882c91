"""Resident memory of a process as parts that add up, and the size classes of its allocator."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.bindings.memory import MemoryPlace, read_place
from workbench.control import SAMPLES_KIND, ControlBlock, Snapshot
from workbench.display import Displayed
from workbench.errors import NoProcess, WrongAbi
from workbench.memory.pages import PAGE_BYTES, Mapping, PageMap, raise_plain, read_mappings
from workbench.memory.records import ClassSums, ProcessMemory, Records
from workbench.table import Table
from workbench.units import format_rough

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

IN_USE = "in use"
CACHED = "cached in bins, magazines and outboxes"
FREE_IN_SLABS = "free in slabs"
LARGE_FREE = "L2.5 pool"
BIG_CACHED = "BigCache"
IDLE = "idle, not yet given back"
METADATA = "metadata"
FILES = "libraries and files"
OTHERS = "stacks and other mappings"
UNEXPLAINED = "unexplained"
UNKNOWN = "not known to us"
_NO_PLACE = MemoryPlace(0, 0, 0)
# How often it is read if so much of it is unexplained.
_ATTEMPTS, _TOLERATED = 3, 0.01
#: Metrics that count bytes, by their role, and the part that they stand for.
_COUNTED = {"live": IN_USE, "cached": "free in the allocator's caches", "dirty": IDLE, "metadata": METADATA}


@dataclass(frozen=True)
class Part:
    """A part of the resident memory."""

    name: str
    bytes: int


@dataclass(frozen=True)
class ClassUse:
    """One size class: how many blocks are where, and what of its slabs is resident.

    Attributes
    ----------
    name : str
        Size of its blocks, such as "48 B".
    in_use, cached, free : int
        Blocks at the user; in caches of threads and on their way to and from them; free in slabs.
    slab_bytes : int
        Memory of its slabs, resident or not.
    in_use_bytes, cached_bytes, free_bytes : int
        Resident bytes of these blocks; free blocks with what is left over at the end of slabs.
    """

    name: str
    in_use: int
    cached: int
    free: int
    slab_bytes: int
    in_use_bytes: int
    cached_bytes: int
    free_bytes: int

    @property
    def resident_bytes(self) -> int:
        """Resident bytes of its slabs."""
        return self.in_use_bytes + self.cached_bytes + self.free_bytes

    @property
    def fragmentation(self) -> float:
        """Share of its resident bytes that is free in slabs; NaN if nothing is resident."""
        return self.free_bytes / self.resident_bytes if self.resident_bytes else float("nan")


@dataclass(frozen=True)
class MemoryUse(Displayed):
    """Where the resident memory of a process, or of several, is.

    Attributes
    ----------
    pids : tuple of int
    resident_bytes : int
        Memory that is in RAM. A page that several processes share counts for each of them.
    parts : tuple of Part
        What is known of it.
    huge_page_bytes : int or None
        How much of the allocator's memory is in huge pages; None if it is not known which memory is its own.
    classes : tuple of ClassUse
        Size classes of which there are slabs; none if the allocator does not tell.
    notes : tuple of str
        Why something is not known, or not exact.
    is_read : bool
        Whether the allocator's own records were read; else the parts are what it counts.
    """

    pids: tuple[int, ...]
    resident_bytes: int
    parts: tuple[Part, ...]
    huge_page_bytes: int | None = None
    classes: tuple[ClassUse, ...] = ()
    notes: tuple[str, ...] = ()
    is_read: bool = False

    @property
    def unexplained_bytes(self) -> int:
        """The rest: with the parts it makes the resident bytes."""
        return self.resident_bytes - sum(part.bytes for part in self.parts)

    @property
    def rest_name(self) -> str:
        """What the rest is called: a fault of ours, or what an allocator does not tell."""
        return UNEXPLAINED if self.is_read else UNKNOWN

    @property
    def rows(self) -> tuple[Part, ...]:
        """The parts, and the rest as the last one."""
        return (*self.parts, Part(self.rest_name, self.unexplained_bytes))

    def to_frame(self) -> pd.DataFrame:
        """A row a part, the rest included, with its bytes and its share of the resident memory."""
        import pandas as pd

        rows = self.rows
        share = [one.bytes / self.resident_bytes if self.resident_bytes else 0.0 for one in rows]
        return pd.DataFrame(
            {"resident_bytes": [one.bytes for one in rows], "share": share},
            index=pd.Index([one.name for one in rows], name="part"),
        )

    def classes_to_frame(self) -> pd.DataFrame:
        """A row a size class: blocks, resident bytes, fragmentation."""
        import pandas as pd

        names = ("in_use", "cached", "free", "slab_bytes", "in_use_bytes", "cached_bytes", "free_bytes",
                 "resident_bytes", "fragmentation")  # fmt: skip
        return pd.DataFrame(
            {name: [getattr(one, name) for one in self.classes] for name in names},
            index=pd.Index([one.name for one in self.classes], name="class"),
        )

    def to_table(self) -> Table:
        """A row a part, the rest and the sum included."""
        total = self.resident_bytes
        *parts, rest = self.rows
        rows = [*(part for part in parts if part.bytes), rest, Part("resident", total)]
        notes = list(self.notes)
        if self.huge_page_bytes is not None:
            notes.insert(
                0, f"in huge pages: {format_rough(self.huge_page_bytes, 'bytes')} of the allocator's memory"
            )
        return Table.of(
            rows,
            {
                "part": lambda part: part.name,
                "bytes": lambda part: format_rough(part.bytes, "bytes"),
                "share": lambda part: f"{part.bytes / total:.1%}" if total else "",
            },
            right=("bytes", "share"),
            notes=notes,
        )

    def classes_to_table(self) -> Table:
        """A row a size class."""
        return Table.of(
            self.classes,
            {
                "class": lambda one: one.name,
                "in use": lambda one: one.in_use,
                "cached": lambda one: one.cached,
                "free": lambda one: one.free,
                "resident": lambda one: format_rough(one.resident_bytes, "bytes"),
                "of it in use": lambda one: format_rough(one.in_use_bytes, "bytes"),
                "cached ": lambda one: format_rough(one.cached_bytes, "bytes"),
                "free ": lambda one: format_rough(one.free_bytes, "bytes"),
                "fragmentation": lambda one: f"{one.fragmentation:.0%}" if one.resident_bytes else "",
                "not resident": lambda one: format_rough(one.slab_bytes - one.resident_bytes, "bytes"),
            },
            right=("class", "in use", "cached", "free", "resident", "of it in use", "cached ", "free ",
                   "fragmentation", "not resident"),
        )  # fmt: skip


def measure_memory(pid: int, block: ControlBlock | None = None) -> MemoryUse:
    """Read where the resident memory of a process is.

    Parameters
    ----------
    pid : int
    block : ControlBlock, optional
        That of the allocator of the process; without one only what the system tells is known.

    Raises
    ------
    NoProcess
        If there is no such process, or it ends meanwhile.
    NotPermitted
        If the system does not even tell how much is resident.
    """
    best: MemoryUse | None = None
    for _ in range(_ATTEMPTS):
        use = _read_once(pid, block)
        if block is not None and not block.info.alive:
            raise NoProcess(f"process {pid} ended, or became another program, while its memory was read")
        if best is None or abs(use.unexplained_bytes) < abs(best.unexplained_bytes):
            best = use
        # While it is read the process goes on, and may map or give back a chunk.
        if not use.is_read or abs(use.unexplained_bytes) <= _TOLERATED * use.resident_bytes:
            break
    assert best is not None
    return best


def measure_blocks(blocks: Sequence[ControlBlock]) -> MemoryUse:
    """Add up the processes of control blocks; a page that they share counts for each.

    NoProcess if all of them have ended.
    """
    uses = []
    for block in blocks:
        try:
            uses.append(measure_memory(block.info.pid, block))
        except NoProcess:  # it ended just now
            if len(blocks) == 1:
                raise
    if not uses:
        raise NoProcess("all of these processes have ended")
    return uses[0] if len(uses) == 1 else _join(uses)


def _join(uses: Sequence[MemoryUse]) -> MemoryUse:
    parts: dict[str, int] = {}
    classes: dict[str, list[ClassUse]] = {}
    for use in uses:
        for part in use.parts:
            parts[part.name] = parts.get(part.name, 0) + part.bytes
        for one in use.classes:
            classes.setdefault(one.name, []).append(one)
    fields = [name for name in ClassUse.__dataclass_fields__ if name != "name"]
    huge = [use.huge_page_bytes for use in uses if use.huge_page_bytes is not None]
    notes = ["a page that several processes share counts for each of them"]
    return MemoryUse(
        tuple(pid for use in uses for pid in use.pids),
        sum(use.resident_bytes for use in uses),
        tuple(Part(name, count) for name, count in parts.items()),
        sum(huge) if huge else None,
        tuple(
            ClassUse(name, *(sum(getattr(one, field) for one in ones) for field in fields))
            for name, ones in sorted(classes.items(), key=lambda item: int(item[0].split()[0]))
        ),
        tuple(dict.fromkeys((*notes, *(note for use in uses for note in use.notes)))),
        all(use.is_read for use in uses),
    )


def _read_once(pid: int, block: ControlBlock | None) -> MemoryUse:
    try:
        mappings = read_mappings(pid)
    except OSError as error:
        reason = f"/proc/{pid}/smaps: {error.strerror}: nobody tells which mappings are resident"
        return _count_parts(pid, block, _read_resident(pid), None, (reason,))
    if block is None:
        reason = "no control block tells of its allocator: `workbench exec` and `inject` make one"
        return _count_parts(pid, None, sum(one.resident_bytes for one in mappings), mappings, (reason,))
    try:
        place = read_place(block.info.path)
    except OSError as error:
        raise raise_plain(pid, error) from None
    total = sum(one.resident_bytes for one in mappings)
    if not place.layout:
        reason = f"{block.info.kind} does not tell where its memory lies: its parts are what it counts"
        return _count_parts(pid, block, total, mappings, (reason,))
    try:
        with ProcessMemory(pid) as memory:
            return _read_parts(pid, block, place, mappings, memory)
    except (PermissionError, WrongAbi) as error:
        why = f"/proc/{pid}/mem: {error.strerror}" if isinstance(error, OSError) else str(error)
        reason = f"{why}: the allocator's parts are what it counts, of which not all may be resident"
        return _count_parts(pid, block, total, mappings, (reason,), place)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise raise_plain(pid, error) from None


def _read_parts(
    pid: int, block: ControlBlock, place: MemoryPlace, mappings: list[Mapping], memory: ProcessMemory
) -> MemoryUse:
    records = Records(pid, memory, place)
    layout = records.layout
    page = PAGE_BYTES
    static = (layout.static_start // page * page, -(-layout.static_end // page) * page)
    strays = [one for one in records.list_stretches() if not place.start <= one[0] < place.end]
    pages = PageMap(pid, mappings, [(place.start, place.end), static, *strays])
    sums, large_used, large_free, idle = records.sum_slabs(pages)
    big_used, big_cached, big_idle = records.sum_big(pages)
    classes = _divide_classes(sums, records.count_cached() + _count_between(block.snapshot(), len(sums)))

    ours, block_bytes, files, others = _sort_mappings(block, place, mappings)
    # What of the allocator's lies in mappings that are not its own: its static data, and chunks.
    for one in (*files, *others):
        part = min(one.resident_bytes, round(pages.between(one.start, one.end)))
        (files if one in files else others)[one] -= part
    parts = {
        IN_USE: sum(one.in_use_bytes for one in classes) + large_used + big_used,
        CACHED: sum(one.cached_bytes for one in classes),
        FREE_IN_SLABS: sum(one.free_bytes for one in classes),
        LARGE_FREE: large_free,
        BIG_CACHED: big_cached,
        IDLE: idle + big_idle,
        METADATA: pages.between(place.start, layout.frames_start) + pages.between(*static) + block_bytes,
        FILES: sum(files.values()),
        OTHERS: sum(others.values()),
    }
    resident = pages.between(place.start, place.end) + pages.between(*static) + block_bytes
    resident += sum(pages.between(*one) for one in strays) + parts[FILES] + parts[OTHERS]
    notes = []
    if not pages.is_exact:
        notes.append(
            f"/proc/{pid}/pagemap cannot be read: the resident bytes of a mapping are spread over it"
        )
    if not place.start:
        notes.append("the allocator's metadata is anywhere, so it is among the other mappings")
    return MemoryUse(
        (pid,),
        round(resident),
        tuple(Part(name, int(count)) for name, count in parts.items()),
        sum(one.huge_bytes for one in ours),
        tuple(one for one in classes if one.slab_bytes),
        tuple(notes),
        is_read=True,
    )


def _sort_mappings(
    block: ControlBlock | None, place: MemoryPlace, mappings: Iterable[Mapping]
) -> tuple[list[Mapping], int, dict[Mapping, int], dict[Mapping, int]]:
    """Sort mappings: the allocator's own; resident bytes of what it shows to readers; files; all others."""
    ours: list[Mapping] = []
    block_bytes = 0
    files: dict[Mapping, int] = {}
    others: dict[Mapping, int] = {}
    shown = (
        [block.info.path.with_suffix(f".{kind}").name for kind in (block.info.kind, SAMPLES_KIND)]
        if block
        else []
    )
    for one in mappings:
        if place.start <= one.start and one.end <= place.end:
            ours.append(one)
        elif one.path.removesuffix(" (deleted)").rpartition("/")[2] in shown:
            block_bytes += one.resident_bytes
        else:
            (files if one.is_file else others)[one] = one.resident_bytes
    return ours, block_bytes, files, others


def _count_between(snapshot: Snapshot, class_count: int) -> npt.NDArray[np.int64]:
    """Count the cached blocks of each class that are in no thread's cache but between them, in magazines."""
    counts = np.zeros(class_count, dtype=np.int64)
    for name, metric in snapshot.layout.metrics.items():
        if metric.role == "cached blocks" and metric.axes[0] not in snapshot.layout.thread_axes:
            counts += snapshot.values[name][:class_count]
    return counts


def _divide_classes(sums: Sequence[ClassSums], counts: npt.NDArray[np.int64]) -> list[ClassUse]:
    """Divide what is not free in slabs into blocks at the user and `counts` in caches, in proportion."""
    divided = []
    for one, counted in zip(sums, counts.tolist(), strict=True):
        home = min(one.on_way_home, one.used)
        cached = home + max(0, min(counted, one.used - home))
        share = cached / one.used if one.used else 0.0
        cached_bytes = int(one.used_bytes * share)
        in_use_bytes = int(one.used_bytes) - cached_bytes
        free_bytes = int(one.resident_bytes) - in_use_bytes - cached_bytes
        divided.append(
            ClassUse(
                f"{one.block_bytes} B",
                one.used - cached,
                cached,
                one.blocks - one.used,
                one.slab_bytes,
                in_use_bytes,
                cached_bytes,
                free_bytes,
            )
        )
    return divided


def _count_parts(
    pid: int,
    block: ControlBlock | None,
    total_bytes: int,
    mappings: list[Mapping] | None,
    notes: tuple[str, ...],
    place: MemoryPlace = _NO_PLACE,
) -> MemoryUse:
    """What an allocator counts, where its records cannot be read.

    A count may be of memory that is not resident. If all counts are more than what may be the allocator's,
    each is cut in the same proportion.
    """
    counts: dict[str, float] = {}
    if block is not None:
        snapshot = block.snapshot()
        for name, metric in snapshot.layout.metrics.items():
            if (part := _COUNTED.get(metric.role)) and metric.unit == "bytes":
                counts[part] = counts.get(part, 0.0) + max(0.0, snapshot.value(name))
    room, fixed = total_bytes, {}
    huge_bytes = None
    if mappings is not None:
        ours, block_bytes, files, others = _sort_mappings(block, place, mappings)
        fixed[FILES] = sum(files.values()) + block_bytes
        room -= fixed[FILES]
        if place.start:
            fixed[OTHERS] = sum(others.values())
            room -= fixed[OTHERS]
            huge_bytes = sum(one.huge_bytes for one in ours)
    scale = min(1.0, room / sum(counts.values())) if sum(counts.values()) else 1.0
    parts = [Part(name, int(count * scale)) for name, count in counts.items()]
    parts += [Part(name, count) for name, count in fixed.items()]
    return MemoryUse((pid,), total_bytes, tuple(parts), huge_bytes, notes=notes)


def _read_resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
    except OSError as error:
        raise raise_plain(pid, error) from None
