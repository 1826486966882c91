"""Follows every object of a trace: what it was before each event, and where and when it was allocated.

One chunk at a time, in whole arrays; kept between chunks are the live objects only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.traces.chunk import CallKind, TraceChunk

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# The size of an object, and about its allocation: the time by three clocks, the thread and the call site.
_BIRTH = ("event", "bytes", "ns", "thread", "site")
_OBJECT: np.dtype[Any] = np.dtype(
    [("number", np.uint64), ("size_bytes", np.int64), *((name, np.int64) for name in _BIRTH)]
)
_UNKNOWN: npt.NDArray[Any] = np.array((0, 0, -1, -1, -1, -1, -1), _OBJECT)


@dataclass(frozen=True)
class FollowedChunk:
    """A chunk with what its events did. All arrays have one row an event."""

    chunk: TraceChunk
    first_event: int  # its number, counted over the trace
    is_allocation: BoolArray  # malloc, calloc and aligned requests
    is_realloc: BoolArray
    is_free: BoolArray
    was_live: BoolArray  # whether the event's object was live before it
    size_bytes: IntArray  # of the object after the event; 0 where it is not live
    previous_bytes: IntArray  # the same before the event
    clock_bytes: IntArray  # asked for up to the event, which is included; a realloc counts by its growth
    live_bytes: IntArray  # of all live objects after the event, as requested
    #: About the allocation of the event's object: its event, bytes (`clock_bytes` there), ns (its time),
    #: thread and site; -1 where it is not known.
    birth: dict[str, IntArray]

    def check(self) -> None:
        """See that each event finds its object as it must be.

        ValueError if one names an object that does not live then, or allocates one that was there.
        """
        touches = self.chunk.kind <= CallKind.FREE
        wrong = np.flatnonzero(touches & (self.was_live == self.is_allocation))
        if len(wrong):
            number = int(self.chunk.object_id[wrong[0]])
            raise ValueError(f"event {wrong[0]}: object {number} does not live then")


class ObjectFollower:
    """Takes the chunks of a trace in order, and keeps the objects that are live between them."""

    def __init__(self) -> None:
        self._live: npt.NDArray[Any] = np.empty(0, _OBJECT)  # by number
        self._event_count = 0
        #: Bytes asked for so far, and bytes that live now.
        self.clock_bytes = self.live_bytes = 0

    def follow(self, chunk: TraceChunk) -> FollowedChunk:
        """Say what each event of the next chunk did to its object."""
        count, kind = len(chunk), chunk.kind
        is_allocation, is_realloc = kind <= CallKind.ALIGNED, kind == CallKind.REALLOC
        is_free = kind == CallKind.FREE
        size_bytes = chunk.size_bytes.astype(np.int64)

        # Events of one object side by side, in order: each finds what was before it in the row before.
        touching = np.flatnonzero(kind <= CallKind.FREE)
        order = touching[np.argsort(chunk.object_id[touching], kind="stable")]
        number = chunk.object_id[order]
        is_first = np.ones(len(order), bool)
        is_first[1:] = number[1:] != number[:-1]
        first, last = order[is_first], order[np.roll(is_first, -1)]
        objects: npt.NDArray[Any] = np.full(len(first), _UNKNOWN)
        objects["number"] = number[is_first]
        _, kept, found = np.intersect1d(
            self._live["number"], objects["number"], assume_unique=True, return_indices=True
        )
        objects[found] = self._live[kept]

        was_live, previous_bytes = np.zeros(count, bool), np.zeros(count, np.int64)
        was_live[order[1:]] = ~is_free[order[:-1]]
        was_live[first] = objects["event"] >= 0
        previous_bytes[order[1:]] = size_bytes[order[:-1]]
        previous_bytes[first] = objects["size_bytes"]
        delta_bytes = size_bytes - previous_bytes
        clock_bytes = self.clock_bytes + np.cumsum(np.maximum(delta_bytes, 0))
        live_bytes = self.live_bytes + np.cumsum(delta_bytes)

        is_born = is_allocation[first]
        event = self._event_count + np.arange(count)
        births: tuple[npt.NDArray[Any], ...] = (event, clock_bytes, chunk.time_ns, chunk.thread, chunk.site)
        for name, values in zip(_BIRTH, births, strict=True):
            objects[name][is_born] = values[first[is_born]]
        owner = np.cumsum(is_first) - 1
        birth = {name: np.full(count, -1) for name in _BIRTH}
        for name, spread in birth.items():
            spread[order] = objects[name][owner]
        followed = FollowedChunk(
            chunk,
            self._event_count,
            is_allocation,
            is_realloc,
            is_free,
            was_live,
            size_bytes,
            previous_bytes,
            clock_bytes,
            live_bytes,
            birth,
        )
        objects["size_bytes"] = size_bytes[last]
        staying = objects[(objects["event"] >= 0) & ~is_free[last]]
        live = np.concatenate([np.delete(self._live, kept), staying])
        self._live = live[np.argsort(live["number"], kind="stable")]
        self._event_count += count
        if count:
            self.clock_bytes, self.live_bytes = int(clock_bytes[-1]), int(live_bytes[-1])
        return followed
