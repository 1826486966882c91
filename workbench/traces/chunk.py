"""A run of events of a trace, as columns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


class CallKind(IntEnum):
    """What an event of a trace is. The three lowest make an object."""

    MALLOC = 0
    CALLOC = 1
    ALIGNED = 2
    REALLOC = 3
    FREE = 4
    THREAD_START = 5
    THREAD_END = 6


COLUMN_TYPES: dict[str, np.dtype[Any]] = {
    "kind": np.dtype(np.uint8),
    "thread": np.dtype(np.uint32),
    "object_id": np.dtype(np.uint64),
    "size_bytes": np.dtype(np.uint64),
    "alignment_bytes": np.dtype(np.uint64),
    "site": np.dtype(np.uint32),
    "time_ns": np.dtype(np.int64),
}


@dataclass(frozen=True)
class TraceChunk:
    """Events in their total order: one array a column, all of one length.

    Parameters
    ----------
    kind : ndarray of uint8
        `CallKind`.
    thread : ndarray of uint32
        0 is the first. Others begin with a THREAD_START; one that did not end has no THREAD_END.
    object_id : ndarray of uint64
        Objects are numbered from 0 in the order of their allocation, over the whole trace. A realloc
        keeps its object's number. 0 at thread events.
    size_bytes : ndarray of uint64
        Asked for; of a realloc the new size. 0 at free and thread events.
    alignment_bytes : ndarray of uint64
        What an ALIGNED call asked for; 0 is malloc's alignment.
    site : ndarray of uint32
        Row of the trace's table of call sites. 0 at thread events.
    time_ns : ndarray of int64
        Since the recording's start, never falling; its resolution stands in the metadata.
    """

    kind: NDArray[np.uint8]
    thread: NDArray[np.uint32]
    object_id: NDArray[np.uint64]
    size_bytes: NDArray[np.uint64]
    alignment_bytes: NDArray[np.uint64]
    site: NDArray[np.uint32]
    time_ns: NDArray[np.int64]

    @classmethod
    def of(cls, kind: ArrayLike, **others: ArrayLike) -> Self:
        """Make a chunk of anything array-like; a single value stands for a whole column.

        Columns that are not given are 0. ValueError if they differ in length, or a value does not fit its
        column.
        """
        given: dict[str, ArrayLike] = dict.fromkeys(COLUMN_TYPES, 0) | {"kind": kind} | others
        columns = {name: _as_column(name, values) for name, values in given.items()}
        length = columns["kind"].size
        for name, values in columns.items():
            if values.ndim and len(values) != length:
                raise ValueError(f"{name} has {len(values)} values, kind {length}")
            columns[name] = np.ascontiguousarray(np.broadcast_to(values, length))
        return cls(**columns)

    @classmethod
    def join(cls, chunks: list[Self]) -> Self:
        """Put chunks behind one another; a single one is not copied."""
        if len(chunks) == 1:
            return chunks[0]
        parts = chunks or [cls.of([])]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMN_TYPES})

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, part: slice) -> Self:
        return type(self)(**{name: getattr(self, name)[part] for name in COLUMN_TYPES})


def _as_column(name: str, values: ArrayLike) -> NDArray[Any]:
    wanted = COLUMN_TYPES[name]
    array = np.asarray(values)
    if array.ndim > 1:
        raise ValueError(f"{name} has {array.ndim} dimensions, not one")
    if array.dtype == wanted:
        return array
    if array.size == 0:
        return array.astype(wanted)
    limits = np.iinfo(wanted)
    if array.dtype.kind not in "iub" or int(array.min()) < limits.min or int(array.max()) > limits.max:
        raise ValueError(f"{name}: values must be whole numbers from {limits.min} to {limits.max}")
    return array.astype(wanted)
