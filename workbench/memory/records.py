"""The records of an allocator that says where they lie (`hak_memory.h`), read from its process's memory.

The process goes on meanwhile, and is not made to wait. So a record may be of a moment before or after the
others; what cannot be is left out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.bindings.memory import LAYOUT_BYTES, MemoryLayout, MemoryPlace, decode_layout
from workbench.errors import NoProcess, WrongAbi
from workbench.memory.pages import PAGE_BYTES

if TYPE_CHECKING:
    import numpy.typing as npt

    from workbench.memory.pages import IndexArray, PageMap

_MOST_CHUNKS = 1 << 24
_SEGMENTS = 32
_SPANS_A_BATCH = 256
_MOST_CACHES = 1 << 20
_MOST_SLOTS = 1 << 16


class ProcessMemory:
    """Reads the memory of a process; a context manager.

    OSError if the system does not let this user read it.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> ProcessMemory:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def read(self, address: int, count: int) -> bytes:
        """Read bytes at an address; NoProcess if the process has ended or become another program."""
        try:
            content = os.pread(self._descriptor, count, address)
        except (OSError, OverflowError):
            content = b""
        if len(content) < count:
            raise NoProcess(f"process {self._pid} has ended, or changed, while its memory was read")
        return content


@dataclass(frozen=True)
class ClassSums:
    """Spans of one size class: how many blocks there are, and resident bytes of what is in them."""

    block_bytes: int
    blocks: int = 0
    used: int = 0  # not free in their slabs: at the user, in caches, on their way home
    on_way_home: int = 0
    slab_bytes: int = 0
    resident_bytes: float = 0.0
    used_bytes: float = 0.0


class Records:
    """Chunks of one process at one moment, and what their slabs hold.

    NoProcess if it has ended or become another program, WrongAbi if its allocator is of another version.
    """

    def __init__(self, pid: int, memory: ProcessMemory, place: MemoryPlace) -> None:
        layout = decode_layout(memory.read(place.layout, LAYOUT_BYTES))
        if layout is None or not 0 < layout.class_count <= len(layout.class_bytes):
            raise WrongAbi(f"process {pid}: its allocator is of another version: its records cannot be read")
        self.layout: MemoryLayout = layout
        self._memory = memory
        chunks = self._read_chunks()
        is_sound = (chunks["base"] % layout.chunk_bytes == 0) & (chunks["frames"] > 0)
        is_sound &= chunks["frames"] < _MOST_CHUNKS
        chunks = chunks[is_sound]
        self._slabs = chunks[(chunks["kind"] == layout.kind_slabs) & (chunks["frames"] == 1)]
        self._big = chunks[chunks["kind"] == layout.kind_big]

    def _read_chunks(self) -> npt.NDArray[np.void]:
        layout = self.layout
        slab = np.dtype(
            {
                "names": ["used", "bump", "remote_count", "state", "class", "span"],
                "formats": ["<u4", "<u4", "<u4", "u1", "u1", "u1"],
                "offsets": [layout.slab_used, layout.slab_bump, layout.slab_remote_count, layout.slab_state,
                            layout.slab_class, layout.slab_span],
                "itemsize": layout.slab_stride,
            }
        )  # fmt: skip
        chunk = np.dtype(
            {
                "names": ["base", "frames", "kind", "big_state", "bits", "slabs"],
                "formats": ["<u8", "<u4", "u1", "<u4", "<u8", (slab, (layout.chunk_slabs,))],
                "offsets": [layout.chunk_base, layout.chunk_frames, layout.chunk_kind, layout.chunk_big_state,
                            layout.chunk_bits, layout.chunk_slabs_offset],
                "itemsize": layout.chunk_stride,
            }
        )  # fmt: skip
        # The number first: a segment is stored before its descriptors are counted.
        left = min(_MOST_CHUNKS, int.from_bytes(self._memory.read(layout.entries_ever, 4), "little"))
        segments = np.frombuffer(self._memory.read(layout.segments, 8 * _SEGMENTS), dtype="<u8")
        parts, capacity = [np.empty(0, dtype=chunk)], 0
        for address in segments.tolist():
            count = min(left, capacity or layout.first_segment_entries)
            if not count or not address:
                break
            parts.append(np.frombuffer(self._memory.read(address, count * layout.chunk_stride), dtype=chunk))
            capacity += capacity or layout.first_segment_entries
            left -= count
        return np.concatenate(parts)

    def count_cached(self) -> IndexArray:
        """Blocks of each class in the caches of threads, also of those that live no more."""
        layout = self.layout
        bin_ = np.dtype(
            {
                "names": ["top", "base"],
                "formats": ["<u8", "<u8"],
                "offsets": [layout.bin_top, layout.bin_base],
                "itemsize": layout.bin_stride,
            }
        )
        counts = np.zeros(layout.class_count, dtype=np.int64)
        cache, number = self._read_address(layout.caches), 0
        while cache and number < _MOST_CACHES:
            content = self._memory.read(cache + layout.cache_bins, layout.cache_bin_count * layout.bin_stride)
            bins = np.frombuffer(content, dtype=bin_)
            held = (bins["top"].astype(np.int64) - bins["base"].astype(np.int64)) // 8
            held[(held < 0) | (held > _MOST_SLOTS)] = 0  # it was just given other slots
            for first in range(0, len(held), layout.class_count):
                part = held[first : first + layout.class_count]
                counts[: len(part)] += part
            cache, number = self._read_address(cache + layout.cache_next), number + 1
        return counts

    def _read_address(self, address: int) -> int:
        return int.from_bytes(self._memory.read(address, 8), "little")

    def list_stretches(self) -> list[tuple[int, int]]:
        """First address and end of each chunk."""
        size = self.layout.chunk_bytes
        chunks = [(int(one["base"]), int(one["frames"])) for one in (*self._slabs, *self._big)]
        return [(base, base + frames * size) for base, frames in chunks]

    def sum_big(self, pages: PageMap) -> tuple[float, float, float]:
        """Resident bytes of big blocks: at the user, cached, about to go."""
        starts = self._big["base"].astype(np.int64)
        ends = starts + self._big["frames"].astype(np.int64) * self.layout.chunk_bytes
        found, state = pages.sum_bytes(starts, ends), self._big["big_state"]
        used, cached = (
            float(found[state == one].sum()) for one in (self.layout.big_at_user, self.layout.big_cached)
        )
        return used, cached, float(found.sum()) - used - cached

    def sum_slabs(self, pages: PageMap) -> tuple[list[ClassSums], float, float, float]:
        """What chunks of slabs hold: blocks of each size class, and three sums of resident bytes.

        They are those of large blocks at the user, of free large blocks, and of free slabs.
        """
        layout = self.layout
        slab_bytes = layout.chunk_bytes // layout.chunk_slabs
        bases = self._slabs["base"].astype(np.int64)
        slabs = self._slabs["slabs"]
        numbers = np.arange(layout.chunk_slabs)
        starts = bases[:, None] + numbers * slab_bytes
        span = slabs["span"].astype(np.int64)
        is_class = (slabs["state"] == layout.state_class) & (slabs["class"] < layout.class_count)
        is_head = (is_class | (slabs["state"] == layout.state_large)) & (span > 0)
        is_head &= numbers + span <= layout.chunk_slabs
        is_class &= is_head
        ends = starts + np.where(is_head, span, 0) * slab_bytes
        resident = pages.sum_bytes(starts, ends)
        is_large, is_used = is_head & ~is_class, slabs["used"] == 1
        large_used = float(resident[is_large & is_used].sum())
        large_free = float(resident[is_large & ~is_used].sum())
        whole = float(pages.sum_bytes(bases, bases + layout.chunk_bytes).sum())
        bits = self._slabs["bits"].astype(np.int64)[:, None] + numbers * layout.bits_line_bytes
        classes = [
            self._sum_class(pages, index, starts[mask], slabs[mask], bits[mask])
            for index in range(layout.class_count)
            for mask in [is_class & (slabs["class"] == index)]
        ]
        return classes, large_used, large_free, whole - float(resident.sum())

    def _sum_class(
        self, pages: PageMap, index: int, starts: IndexArray, slabs: npt.NDArray[np.void], bits: IndexArray
    ) -> ClassSums:
        size = self.layout.class_bytes[index]
        if not len(slabs):
            return ClassSums(size)
        span_bytes = int(slabs["span"][0]) * self.layout.chunk_bytes // self.layout.chunk_slabs
        blocks = span_bytes // size
        page_ends = np.arange(1, span_bytes // PAGE_BYTES + 1) * PAGE_BYTES
        used = 0
        resident_bytes = used_bytes = 0.0
        for first in range(0, len(slabs), _SPANS_A_BATCH):
            batch = slice(first, first + _SPANS_A_BATCH)
            is_used = self._find_used(slabs[batch], bits[batch], blocks)
            used += int(is_used.sum())
            # Bytes of used blocks before each page's end: of the whole blocks, and of the one that it cuts.
            before = np.concatenate((np.zeros((len(is_used), 1)), is_used.cumsum(axis=1)), axis=1) * size
            whole, rest = np.minimum(page_ends // size, blocks), page_ends % size
            cut = is_used[:, np.minimum(whole, blocks - 1)] * (rest * (whole < blocks))
            on_pages = np.diff(before[:, whole] + cut, axis=1, prepend=0)
            weights = pages.rows(starts[batch], len(page_ends))
            resident_bytes += float(weights.sum()) * PAGE_BYTES
            used_bytes += float((weights * on_pages).sum())
        home = int(slabs["remote_count"].sum())
        return ClassSums(
            size, blocks * len(slabs), used, home, span_bytes * len(slabs), resident_bytes, used_bytes
        )

    def _find_used(self, slabs: npt.NDArray[np.void], bits: IndexArray, blocks: int) -> npt.NDArray[np.bool_]:
        """Which blocks of each span are not free: handed out once, and not marked as free since."""
        is_used = np.arange(blocks) < slabs["bump"][:, None]
        for row in np.flatnonzero(slabs["used"] < slabs["bump"]):
            lines = range(-(-blocks // (8 * self.layout.bits_line_bytes)))
            content = b"".join(
                self._memory.read(
                    int(bits[row]) + line * self.layout.bits_stride, self.layout.bits_line_bytes
                )
                for line in lines
            )
            free = np.unpackbits(np.frombuffer(content, dtype=np.uint8), count=blocks, bitorder="little")
            is_used[row] &= free == 0
        return is_used
