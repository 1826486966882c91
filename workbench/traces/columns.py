"""The payload of an events section: a chunk's columns, put in order and compressed.

What an event is about depends most on where it is called from, so all columns but the sites themselves
stand ordered by site: equal things come to stand together. docs/trace_format.md draws it.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.traces.chunk import CallKind, TraceChunk
from workbench.traces.format import MAXIMUM_CHUNK_EVENTS, Totals

_PREFIX = struct.Struct("<Qq")  # objects before the chunk; time before it, in units
_ENTRY = struct.Struct("<BBHI")  # encoding, width in bytes, 0, stored bytes
_DATA_AT = _PREFIX.size + 7 * _ENTRY.size

_CONSTANT = 0
_PLANES = 1
_WIDTHS = (1, 2, 4, 8)
_LIMIT = 2**63


@cache
def _codec(level: int) -> Any:
    return pa.Codec("zstd", compression_level=level)


def encode_chunk(
    chunk: TraceChunk, before: Totals, *, resolution_ns: int, level: int
) -> tuple[bytes, bytes, Totals]:
    """Encode a chunk that is not empty: its payload, the same without compression, and the new totals.

    The content without compression is for the checksum; the totals are those `before` with this chunk, except
    for the peak of live bytes. ValueError if the chunk cannot be one of a trace; the event is named by its
    place in it.
    """
    kinds, number = chunk.kind, chunk.object_id
    is_new, is_old = kinds < CallKind.REALLOC, _find_old(kinds)
    is_thread = kinds >= CallKind.THREAD_START
    objects = (before.objects + np.cumsum(is_new) - is_new).astype(np.uint64)
    units = chunk.time_ns // resolution_ns
    steps = np.diff(units, prepend=before.time_units)
    for is_wrong, why in (
        (kinds > CallKind.THREAD_END, "it is of no known kind"),
        ((kinds != CallKind.ALIGNED) & (chunk.alignment_bytes != 0), "only ALIGNED has an alignment"),
        ((kinds >= CallKind.FREE) & (chunk.size_bytes != 0), "a free or thread event has no size"),
        (is_thread & ((number != 0) | (chunk.site != 0)), "a thread event has no object or site"),
        (chunk.size_bytes >= _LIMIT, "its size is beyond 2**63"),
        (is_new & (number != objects), "a new object has the next free number"),
        (is_old & (number >= objects), "its object is not allocated yet"),
        (steps < 0, "its time lies before that of the one before"),
    ):
        if is_wrong.any():
            raise ValueError(f"event {int(np.argmax(is_wrong))}: {why}")

    order = _order_by_site(chunk.site)
    kinds = kinds[order]
    columns = (
        chunk.site,
        kinds,
        chunk.thread[order],
        steps.astype(np.uint64)[order],
        chunk.size_bytes[order[kinds <= CallKind.REALLOC]],
        chunk.alignment_bytes[order[kinds == CallKind.ALIGNED]],
        (objects - number)[order[_find_old(kinds)]],
    )
    prefix = _PREFIX.pack(before.objects, before.time_units)
    entries, stored, content = [], [], [prefix]
    for column in columns:
        encoding, width, raw = _encode_column(column)
        data = raw if encoding == _CONSTANT else bytes(_codec(level).compress(raw, asbytes=True))
        entries.append(_ENTRY.pack(encoding, width, 0, len(data)))
        stored.append(data)
        content.append(raw)
    totals = Totals(
        before.events + len(chunk),
        before.objects + int(is_new.sum()),
        before.peak_live_bytes,
        int(units[-1]),
        max(before.threads, int(chunk.thread.max()) + 1),
    )
    return b"".join([prefix, *entries, *stored]), b"".join(content), totals


def _find_old(kinds: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Events of objects that were there before."""
    return np.isin(kinds, (CallKind.REALLOC, CallKind.FREE))


def _order_by_site(sites: NDArray[np.uint32]) -> NDArray[np.intp]:
    # NumPy sorts numbers of 16 bits in linear time.
    return np.argsort(sites.astype(np.uint16) if sites.max() < 1 << 16 else sites, kind="stable")


def _encode_column(values: NDArray[Any]) -> tuple[int, int, bytes]:
    if values.size == 0:
        return _CONSTANT, 1, b"\0"
    largest = int(values.max())
    width = next(width for width in _WIDTHS if largest < 1 << (8 * width))
    narrow = values.astype(f"<u{width}")
    if largest == int(values.min()):
        return _CONSTANT, width, narrow[:1].tobytes()
    return _PLANES, width, narrow.view(np.uint8).reshape(-1, width).T.tobytes()


def decode_chunk(
    payload: bytes, count: int, before: Totals, *, resolution_ns: int
) -> tuple[TraceChunk, bytes]:
    """Decode `count` events from the payload that `encode_chunk` gave: the chunk, and the content.

    Whatever the bytes are, it takes a bounded amount of memory. ValueError if they are no chunk of so many
    events behind what was `before` it.
    """
    if not 0 < count <= MAXIMUM_CHUNK_EVENTS or len(payload) < _DATA_AT:
        raise ValueError("it is cut off")
    if _PREFIX.unpack_from(payload) != (before.objects, before.time_units):
        raise ValueError("it does not follow what precedes it")
    columns = _Columns(payload)
    site = columns.read(count, np.uint32)
    order = _order_by_site(site)

    def read(rows: NDArray[np.intp], kind: Any = np.uint64) -> NDArray[Any]:
        values = np.zeros(count, kind)
        values[rows] = columns.read(len(rows), kind)
        return values

    kind = read(order, np.uint8)
    if (kind > CallKind.THREAD_END).any():
        raise ValueError("it has events of unknown kind")
    thread, steps = read(order, np.uint32), read(order)
    size = read(order[kind[order] <= CallKind.REALLOC])
    alignment = read(order[kind[order] == CallKind.ALIGNED])
    is_new, is_old = kind < CallKind.REALLOC, _find_old(kind)
    distance = read(order[is_old[order]])
    if columns.left_bytes:
        raise ValueError("it has bytes left over")
    objects = (before.objects + np.cumsum(is_new) - is_new).astype(np.uint64)
    if (is_old & ((distance == 0) | (distance > objects))).any():
        raise ValueError("it has objects that were never allocated")
    # One overlong step is found before the sum, an overflow of the sum after it.
    limit = _LIMIT // resolution_ns
    units = before.time_units + np.cumsum(steps.astype(np.int64))
    if (steps >= limit).any() or (units < before.time_units).any() or (units >= limit).any():
        raise ValueError("its times are out of range")
    object_id = np.where(kind <= CallKind.FREE, objects - distance, np.uint64(0))
    chunk = TraceChunk(kind, thread, object_id, size, alignment, site, units * resolution_ns)
    return chunk, b"".join([payload[: _PREFIX.size], *columns.raw])


class _Columns:
    """The columns of a payload, read one after another; `raw` has their bytes without compression."""

    def __init__(self, payload: bytes) -> None:
        self._entries = _ENTRY.iter_unpack(payload[_PREFIX.size : _DATA_AT])
        self._data = memoryview(payload)[_DATA_AT:]
        self.raw: list[bytes] = []

    @property
    def left_bytes(self) -> int:
        return len(self._data)

    def read(self, count: int, kind: Any) -> NDArray[Any]:
        encoding, width, zero, stored_bytes = next(self._entries)
        data, self._data = bytes(self._data[:stored_bytes]), self._data[stored_bytes:]
        if width not in _WIDTHS or width > np.dtype(kind).itemsize or zero or len(data) != stored_bytes:
            raise ValueError("its table of columns is wrong")
        if encoding == _CONSTANT and stored_bytes == width:
            self.raw.append(data)
            return np.full(count, int.from_bytes(data, "little"), kind)
        if encoding != _PLANES or count == 0:
            raise ValueError("it has a column of unknown encoding")
        try:
            raw = bytes(_codec(1).decompress(data, decompressed_size=count * width, asbytes=True))
        except (OSError, pa.ArrowException) as error:
            raise ValueError("a column cannot be decompressed") from error
        self.raw.append(raw)
        planes = np.frombuffer(raw, np.uint8).reshape(width, count)
        return np.ascontiguousarray(planes.T).view(f"<u{width}").reshape(count).astype(kind)
