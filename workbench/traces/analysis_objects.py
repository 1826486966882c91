"""Follows every object of a trace: what an event's object was before it, and when it was born.

One chunk at a time, in whole arrays; kept between chunks are the live objects only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.traces.chunk import CallKind, TraceChunk

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# What is known of a live object. Its place in time is told by three clocks: events, bytes and time.
_OBJECT = np.dtype(
    [
        ("object_id", np.uint64),
        ("size_bytes", np.int64),
        ("birth_event", np.int64),
        ("birth_bytes", np.int64),
        ("birth_ns", np.int64),
        ("birth_thread", np.int64),
        ("birth_site", np.int64),
    ]
)
_NOBODY = -1  # thread and site of an object whose birth is not in the trace


@dataclass(frozen=True)
class FollowedChunk:
    """A chunk with what its events did. All arrays have one row an event.

    Parameters
    ----------
    chunk : TraceChunk
        As it was recorded.
    first_event : int
        Number of its first event, counted over the trace.
    is_allocation, is_realloc, is_free : array of bool
        malloc, calloc and aligned requests; reallocs of an object; frees.
    size_bytes : array of int
        Size of the object after the event; 0 after a free.
    previous_bytes : array of int
        Size of the object before the event; 0 before an allocation.
    clock_bytes : array of int
        Bytes that the program had asked for, this event included; a realloc counts by its growth.
    live_bytes : array of int
        Bytes of all live objects after the event, as requested.
    birth_event, birth_bytes, birth_ns, birth_thread, birth_site : array of int
        About the event's object: number of its first event, `clock_bytes` there, its time, thread and
        call site; -1 where there is none.
    """

    chunk: TraceChunk
    first_event: int
    is_allocation: BoolArray
    is_realloc: BoolArray
    is_free: BoolArray
    size_bytes: IntArray
    previous_bytes: IntArray
    clock_bytes: IntArray
    live_bytes: IntArray
    birth_event: IntArray
    birth_bytes: IntArray
    birth_ns: IntArray
    birth_thread: IntArray
    birth_site: IntArray

    @property
    def event_count(self) -> int:
        """Events in it."""
        return len(self.is_free)

    @property
    def live_objects_delta(self) -> IntArray:
        """+1 for an allocation, −1 for a free of a known object, 0 for all else."""
        known_free = self.is_free & (self.birth_event >= 0)
        return self.is_allocation.astype(np.int64) - known_free.astype(np.int64)


class ObjectFollower:
    """Takes the chunks of a trace in order, and keeps the objects that are live between them."""

    def __init__(self) -> None:
        self._live = np.empty(0, _OBJECT)
        self._event_count = 0
        self._clock_bytes = 0
        self._live_bytes = 0

    def follow(self, chunk: TraceChunk) -> FollowedChunk:
        """Say what each event of the next chunk did to its object."""
        count = len(chunk.kind)
        kind = chunk.kind
        is_allocation = kind <= CallKind.ALIGNED
        is_realloc = kind == CallKind.REALLOC
        is_free = kind == CallKind.FREE
        size_bytes = np.where(is_allocation | is_realloc, chunk.size_bytes, 0).astype(np.int64)

        # Events of one object side by side, in order: each finds the size before it in the row before.
        touching = np.flatnonzero(kind <= CallKind.FREE)
        order = touching[np.argsort(chunk.object_id[touching], kind="stable")]
        object_id = chunk.object_id[order]
        is_first = np.ones(len(order), bool)
        is_first[1:] = object_id[1:] != object_id[:-1]
        objects, is_old = self._find(object_id[is_first])
        is_born_here = is_allocation[order[is_first]]

        previous_sorted = np.zeros(len(order), np.int64)
        previous_sorted[1:] = size_bytes[order][:-1]
        previous_sorted[is_first] = np.where(is_born_here, 0, objects["size_bytes"])
        previous_bytes = np.zeros(count, np.int64)
        previous_bytes[order] = previous_sorted

        delta_bytes = size_bytes - previous_bytes
        clock_bytes = self._clock_bytes + np.cumsum(np.maximum(delta_bytes, 0))
        live_bytes = self._live_bytes + np.cumsum(delta_bytes)

        first_row = order[is_first][is_born_here]
        objects["size_bytes"][is_born_here] = size_bytes[first_row]
        objects["birth_event"][is_born_here] = self._event_count + first_row
        objects["birth_bytes"][is_born_here] = clock_bytes[first_row]
        objects["birth_ns"][is_born_here] = chunk.time_ns[first_row]
        objects["birth_thread"][is_born_here] = chunk.thread[first_row]
        objects["birth_site"][is_born_here] = chunk.site[first_row]

        owner = np.cumsum(is_first) - 1
        births = {}
        for field in ("birth_event", "birth_bytes", "birth_ns", "birth_thread", "birth_site"):
            spread = np.full(count, _NOBODY, np.int64)
            spread[order] = objects[field][owner]
            births[field] = spread
        followed = FollowedChunk(
            chunk,
            self._event_count,
            is_allocation,
            is_realloc,
            is_free,
            size_bytes,
            previous_bytes,
            clock_bytes,
            live_bytes,
            **births,
        )
        is_last = np.ones(len(order), bool)
        is_last[:-1] = is_first[1:]
        last_row = order[is_last]
        objects["size_bytes"] = size_bytes[last_row]
        self._keep_live(objects, is_old, is_known=is_born_here | is_old, is_dead=is_free[last_row])
        self._event_count += count
        if count:
            self._clock_bytes = int(clock_bytes[-1])
            self._live_bytes = int(live_bytes[-1])
        return followed

    def _find(self, object_id: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.void], BoolArray]:
        """Rows for these objects, filled where they are live already; and which ones are."""
        found = np.zeros(len(object_id), _OBJECT)
        for field in ("birth_event", "birth_bytes", "birth_ns", "birth_thread", "birth_site"):
            found[field] = _NOBODY
        found["object_id"] = object_id
        place = np.searchsorted(self._live["object_id"], object_id)
        place[place == len(self._live)] = 0
        if not len(self._live):
            return found, np.zeros(len(object_id), bool)
        is_live = self._live["object_id"][place] == object_id
        found[is_live] = self._live[place[is_live]]
        return found, is_live

    def _keep_live(
        self, objects: npt.NDArray[np.void], is_old: BoolArray, *, is_known: BoolArray, is_dead: BoolArray
    ) -> None:
        untouched = np.ones(len(self._live), bool)
        untouched[np.searchsorted(self._live["object_id"], objects["object_id"][is_old])] = False
        live = np.concatenate([self._live[untouched], objects[is_known & ~is_dead]])
        self._live = live[np.argsort(live["object_id"], kind="stable")]
