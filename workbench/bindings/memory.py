"""`hak_memory.h`: where an allocator's records lie in its process, and how they are laid out."""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

from workbench.bindings.native import ffi, read_record

#: Length of the structure that describes the records.
LAYOUT_BYTES: int = ffi.sizeof("struct hak_memory")
_PLACE_OFFSET: int = ffi.offsetof("struct hak_header", "memory_start")
_PLACE = struct.Struct("=3Q")
assert ffi.offsetof("struct hak_header", "memory_layout") == _PLACE_OFFSET + 16


class MemoryPlace(NamedTuple):
    """Addresses in a process: between which its allocator's memory lies, and of the description of it."""

    start: int
    end: int
    layout: int  # 0: the process tells nothing of its memory, or has not yet


class MemoryLayout(NamedTuple):
    """The fields of `struct hak_memory`, which the C header explains."""

    bytes: int
    chunk_bytes: int
    chunk_slabs: int
    class_count: int
    frames_start: int
    static_start: int
    static_end: int
    segments: int
    entries_ever: int
    first_segment_entries: int
    chunk_stride: int
    chunk_base: int
    chunk_frames: int
    chunk_kind: int
    chunk_big_state: int
    chunk_bits: int
    chunk_slabs_offset: int
    slab_stride: int
    slab_used: int
    slab_bump: int
    slab_remote_count: int
    slab_state: int
    slab_class: int
    slab_span: int
    kind_slabs: int
    kind_big: int
    state_class: int
    state_large: int
    big_at_user: int
    big_cached: int
    class_bytes: tuple[int, ...]
    caches: int
    cache_next: int
    cache_bins: int
    cache_bin_count: int
    bin_stride: int
    bin_top: int
    bin_base: int
    bits_line_bytes: int
    bits_stride: int


def read_place(path: str | os.PathLike[str]) -> MemoryPlace:
    """Read from a control block where its process's allocator keeps its memory; OSError if it is gone."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        words = os.pread(descriptor, _PLACE.size, _PLACE_OFFSET)
    finally:
        os.close(descriptor)
    return MemoryPlace(*_PLACE.unpack(words)) if len(words) == _PLACE.size else MemoryPlace(0, 0, 0)


def decode_layout(content: bytes) -> MemoryLayout | None:
    """Decode the description that was read from a process; None if it is of another version."""
    if len(content) < LAYOUT_BYTES:
        return None
    layout = read_record(ffi.from_buffer("struct hak_memory *", content), MemoryLayout)
    return layout if layout.bytes >= LAYOUT_BYTES else None
