"""Live bytes while a trace goes on: what was asked for and is not yet freed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.traces.chunk import CallKind, TraceChunk

_NOT_LIVE = -1
_FIRST_CAPACITY = 1024


class LiveBytes:
    """Follows the objects of a trace from chunk to chunk. Takes 8 bytes of memory an object."""

    def __init__(self) -> None:
        self._sizes = np.full(_FIRST_CAPACITY, _NOT_LIVE, np.int64)
        self._objects = 0
        #: Bytes that live after the last chunk, and at most so far.
        self.now = 0
        self.peak = 0

    def advance(self, chunk: TraceChunk) -> NDArray[np.int64]:
        """Follow a chunk.

        Returns
        -------
        ndarray of int64
            Live bytes after each of its events.

        Raises
        ------
        ValueError
            If an event names an object that does not live then, or an allocation one that was there.
        """
        changes = np.zeros(len(chunk), np.int64)
        where = np.flatnonzero(chunk.kind <= CallKind.FREE)
        if where.size:
            changes[where] = self._follow(chunk, where)
        live = self.now + np.cumsum(changes)
        if live.size:
            self.now = int(live[-1])
            self.peak = max(self.peak, int(live.max()))
        return live

    def _follow(self, chunk: TraceChunk, where: NDArray[np.intp]) -> NDArray[np.int64]:
        kinds = chunk.kind[where]
        is_new = kinds < CallKind.REALLOC
        new_count = int(is_new.sum())
        objects = chunk.object_id[where].astype(np.int64)
        if objects.min() < 0 or objects.max() >= self._objects + new_count:
            raise ValueError(f"object {int(objects.max())} is not allocated yet")
        self._reserve(self._objects + new_count)
        self._objects += new_count
        sizes = chunk.size_bytes[where].astype(np.int64)
        sizes[kinds == CallKind.FREE] = _NOT_LIVE
        # Events of one object stand together, in their order: each finds its size before in its neighbour.
        order = np.argsort(objects, kind="stable")
        sorted_objects, sorted_sizes = objects[order], sizes[order]
        before = np.empty_like(sorted_sizes)
        before[1:] = sorted_sizes[:-1]
        is_first = np.ones(len(order), bool)
        is_first[1:] = sorted_objects[1:] != sorted_objects[:-1]
        before[is_first] = self._sizes[sorted_objects[is_first]]
        wrong = (before == _NOT_LIVE) != is_new[order]
        if wrong.any():
            first = int(where[order[wrong]].min())
            raise ValueError(f"event {first}: object {int(chunk.object_id[first])} does not live then")
        is_last = np.ones(len(order), bool)
        is_last[:-1] = is_first[1:]
        self._sizes[sorted_objects[is_last]] = sorted_sizes[is_last]
        changes = np.empty_like(sorted_sizes)
        changes[order] = np.maximum(sorted_sizes, 0) - np.maximum(before, 0)
        return changes

    def _reserve(self, count: int) -> None:
        if count > len(self._sizes):
            grown = np.full(max(count, 2 * len(self._sizes)), _NOT_LIVE, np.int64)
            grown[: len(self._sizes)] = self._sizes
            self._sizes = grown
