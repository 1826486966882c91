"""The payload of an events section: a chunk's columns, put in order and compressed.

What an event is about depends most on where it is called from, so all columns but the sites themselves
stand ordered by site: equal things come to stand together. docs/trace_format.md draws it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.traces.chunk import CallKind, TraceChunk
from workbench.traces.format import MAXIMUM_CHUNK_EVENTS

_PREFIX = struct.Struct("<Qq")  # objects before the chunk; time before it, in units
_ENTRY = struct.Struct("<BBHI")  # encoding, width in bytes, 0, stored bytes
COLUMN_COUNT = 7

_CONSTANT = 0
_PLANES = 1
_WIDTHS = (1, 2, 4, 8)
_LIMIT = 2**63


@dataclass(frozen=True)
class Place:
    """What a chunk needs to know of those before it: objects, and the time in units."""

    objects: int = 0
    time_units: int = 0


@cache
def _codec(level: int) -> Any:
    return pa.Codec("zstd", compression_level=level)


def encode_chunk(
    chunk: TraceChunk, place: Place, *, resolution_ns: int, level: int
) -> tuple[bytes, bytes, Place]:
    """Encode a chunk.

    Returns
    -------
    payload, content : bytes
        What is stored, and the same without compression, for the checksum.
    place : Place
        Where the next chunk begins.

    Raises
    ------
    ValueError
        If the chunk cannot be one of a trace; the event is named by its place in it.
    """
    kinds = chunk.kind
    _check_kinds(chunk)
    is_new = kinds < CallKind.REALLOC
    is_old = (kinds == CallKind.REALLOC) | (kinds == CallKind.FREE)
    objects_before = place.objects + np.cumsum(is_new) - is_new
    _check_objects(chunk, is_new, is_old, objects_before)
    units = chunk.time_ns // resolution_ns
    steps = np.diff(units, prepend=place.time_units)
    if (steps < 0).any():
        raise ValueError(f"event {int(np.argmax(steps < 0))}: its time lies before that of the one before")

    order = np.argsort(_narrow(chunk.site), kind="stable")
    kinds = kinds[order]
    is_old, has_size = is_old[order], kinds <= CallKind.REALLOC
    columns = (
        chunk.site,
        kinds,
        chunk.thread[order],
        steps.astype(np.uint64)[order],
        chunk.size_bytes[order][has_size],
        chunk.alignment_bytes[order][kinds == CallKind.ALIGNED],
        (objects_before.astype(np.uint64) - chunk.object_id)[order][is_old],
    )
    entries, stored, content = [], [], [_PREFIX.pack(place.objects, place.time_units)]
    for column in columns:
        encoding, width, raw = _encode_column(column)
        data = raw if encoding == _CONSTANT else _codec(level).compress(raw, asbytes=True)
        entries.append(_ENTRY.pack(encoding, width, 0, len(data)))
        stored.append(data)
        content.append(raw)
    payload = b"".join([content[0], *entries, *stored])
    last = int(units[-1]) if len(units) else place.time_units
    return payload, b"".join(content), Place(place.objects + int(is_new.sum()), last)


def _check_kinds(chunk: TraceChunk) -> None:
    kinds = chunk.kind
    _refuse(kinds > CallKind.THREAD_END, "it is of no known kind")
    _refuse((kinds != CallKind.ALIGNED) & (chunk.alignment_bytes != 0), "only ALIGNED has an alignment")
    _refuse((kinds >= CallKind.FREE) & (chunk.size_bytes != 0), "a free or thread event has no size")
    is_thread = kinds >= CallKind.THREAD_START
    _refuse(is_thread & ((chunk.object_id != 0) | (chunk.site != 0)), "a thread event has no object or site")
    _refuse(chunk.size_bytes >= _LIMIT, "its size is beyond 2**63")


def _check_objects(
    chunk: TraceChunk, is_new: NDArray[Any], is_old: NDArray[Any], before: NDArray[Any]
) -> None:
    _refuse(is_new & (chunk.object_id != before.astype(np.uint64)), "a new object has the next free number")
    _refuse(is_old & (chunk.object_id >= before.astype(np.uint64)), "its object is not allocated yet")


def _refuse(is_wrong: NDArray[Any], why: str) -> None:
    if is_wrong.any():
        raise ValueError(f"event {int(np.argmax(is_wrong))}: {why}")


def _encode_column(values: NDArray[Any]) -> tuple[int, int, bytes]:
    if values.size == 0:
        return _CONSTANT, 1, b"\0"
    largest = int(values.max())
    width = next(width for width in _WIDTHS if largest < 1 << (8 * width))
    narrow = values.astype(f"<u{width}")
    if largest == int(values.min()):
        return _CONSTANT, width, narrow[:1].tobytes()
    return _PLANES, width, narrow.view(np.uint8).reshape(-1, width).T.tobytes()


def _narrow(sites: NDArray[np.uint32]) -> NDArray[Any]:
    """Sites as 16 bits where they fit: NumPy sorts those in linear time."""
    return sites.astype(np.uint16) if sites.size and int(sites.max()) < 1 << 16 else sites


def decode_chunk(payload: bytes, count: int, place: Place, *, resolution_ns: int) -> TraceChunk:
    """Decode a chunk. Whatever the bytes are, it takes a bounded amount of memory.

    Parameters
    ----------
    payload : bytes
        As `encode_chunk` gave it.
    count : int
        Events in it.
    place : Place
        Where this chunk begins.
    resolution_ns : int
        Resolution of its times.

    Raises
    ------
    ValueError
        If the bytes are no chunk of `count` events at this place.
    """
    return _Decoder(payload, count, place, resolution_ns).decode()


def content_of(payload: bytes, count: int, place: Place, *, resolution_ns: int) -> bytes:
    """What `encode_chunk` gave as the content of this payload.

    Raises
    ------
    ValueError
        As `decode_chunk`.
    """
    decoder = _Decoder(payload, count, place, resolution_ns)
    decoder.decode()
    return b"".join([payload[: _PREFIX.size], *decoder.raw])


class _Decoder:
    def __init__(self, payload: bytes, count: int, place: Place, resolution_ns: int) -> None:
        self._payload = payload
        self._count = count
        self._place = place
        self._resolution_ns = resolution_ns
        self._entry_at = _PREFIX.size
        self._data_at = _PREFIX.size + COLUMN_COUNT * _ENTRY.size
        self.raw: list[bytes] = []

    def decode(self) -> TraceChunk:
        count = self._count
        if not 0 < count <= MAXIMUM_CHUNK_EVENTS or len(self._payload) < self._data_at:
            raise ValueError("it is cut off")
        if _PREFIX.unpack_from(self._payload) != (self._place.objects, self._place.time_units):
            raise ValueError("it does not follow what precedes it")
        site = self._read(count, np.uint32)
        order = np.argsort(_narrow(site), kind="stable")
        sorted_kind = self._read(count, np.uint8)
        if (sorted_kind > CallKind.THREAD_END).any():
            raise ValueError("it has events of unknown kind")
        kind = _unsort(sorted_kind, order)
        thread = _unsort(self._read(count, np.uint32), order)
        units = self._read_times(order)
        size = self._read_some(sorted_kind <= CallKind.REALLOC, order)
        alignment = self._read_some(sorted_kind == CallKind.ALIGNED, order)
        is_old = (sorted_kind == CallKind.REALLOC) | (sorted_kind == CallKind.FREE)
        distance = self._read_some(is_old, order)
        if self._data_at != len(self._payload):
            raise ValueError("it has bytes left over")
        return TraceChunk(
            kind=kind,
            thread=thread,
            object_id=self._place_objects(kind, distance),
            size_bytes=size,
            alignment_bytes=alignment,
            site=site,
            time_ns=units,
        )

    def _read_times(self, order: NDArray[np.intp]) -> NDArray[np.int64]:
        steps = _unsort(self._read(self._count, np.uint64), order)
        # One overlong step is found before the sum, an overflow of the sum after it.
        limit = _LIMIT // self._resolution_ns
        if (steps >= limit).any():
            raise ValueError("its times are out of range")
        units = self._place.time_units + np.cumsum(steps.astype(np.int64))
        if (units < self._place.time_units).any() or (units >= limit).any():
            raise ValueError("its times are out of range")
        return np.asarray(units * self._resolution_ns, np.int64)

    def _place_objects(self, kind: NDArray[np.uint8], distance: NDArray[np.uint64]) -> NDArray[np.uint64]:
        is_new = kind < CallKind.REALLOC
        is_old = (kind == CallKind.REALLOC) | (kind == CallKind.FREE)
        before = (self._place.objects + np.cumsum(is_new) - is_new).astype(np.uint64)
        if (is_old & ((distance == 0) | (distance > before))).any():
            raise ValueError("it has objects that were never allocated")
        return np.where(kind <= CallKind.FREE, before - distance, np.uint64(0))

    def _read_some(self, where: NDArray[np.bool_], order: NDArray[np.intp]) -> NDArray[np.uint64]:
        values = np.zeros(self._count, np.uint64)
        values[where] = self._read(int(where.sum()), np.uint64)
        return _unsort(values, order)

    def _read(self, count: int, kind: Any) -> NDArray[Any]:
        encoding, width, zero, stored_bytes = _ENTRY.unpack_from(self._payload, self._entry_at)
        self._entry_at += _ENTRY.size
        data = self._payload[self._data_at : self._data_at + stored_bytes]
        self._data_at += stored_bytes
        if width not in _WIDTHS or width > np.dtype(kind).itemsize or zero or len(data) != stored_bytes:
            raise ValueError("its table of columns is wrong")
        if encoding == _CONSTANT and stored_bytes == width:
            self.raw.append(data)
            return np.full(count, int.from_bytes(data, "little"), kind)
        if encoding != _PLANES or count == 0:
            raise ValueError("it has a column of unknown encoding")
        raw = _decompress(data, count * width)
        self.raw.append(raw)
        planes = np.frombuffer(raw, np.uint8).reshape(width, count)
        return np.ascontiguousarray(planes.T).view(f"<u{width}").reshape(count).astype(kind)


def _unsort(values: NDArray[Any], order: NDArray[np.intp]) -> NDArray[Any]:
    result = np.empty_like(values)
    result[order] = values
    return result


def compress(raw: bytes, level: int) -> bytes:
    """Compress bytes as columns are."""
    return bytes(_codec(level).compress(raw, asbytes=True))


def _decompress(data: bytes, raw_bytes: int) -> bytes:
    try:
        return bytes(_codec(1).decompress(data, decompressed_size=raw_bytes, asbytes=True))
    except (OSError, pa.ArrowException) as error:
        raise ValueError("a column cannot be decompressed") from error
