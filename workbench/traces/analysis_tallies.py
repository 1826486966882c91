"""Counts what the events of a trace have in common: by size, lifetime, thread and call site.

A tally takes followed chunks in order and gives a table at the end. What it keeps does not grow with the
trace, only with its threads and call sites.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.traces.analysis_bins import (
    LIFETIME_BIN_COUNT,
    SIZE_BOUNDS_BYTES,
    SIZE_CLASS_COUNT,
    find_lifetime_bin,
    find_size_class,
    lifetime_bounds,
    name_routes,
)
from workbench.traces.analysis_objects import FollowedChunk
from workbench.traces.chunk import CallKind

IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

#: Events within which a class's live objects swing. A chunk's end ends them, too.
SWING_EVENTS = 16384
_COMMON_SIZES_BYTES = 65536  # exact sizes are counted up to here
_CLOCKS = ("events", "bytes", "us")


def count_by(index: npt.NDArray[np.integer], length: int, weights: IntArray | None = None) -> IntArray:
    """Occurrences of each index, or sums of weights: exact to 2^53."""
    return np.bincount(index.astype(np.int64), weights, length).astype(np.int64)


def share_percent(part: pd.Series[Any]) -> pd.Series[Any]:
    """Each value's share of the sum, in percent."""
    total = part.sum()
    return part * (100.0 / total) if total else part * 0.0


class SizeTally:
    """Requests by size class, and how many objects of a class live at once."""

    def __init__(self) -> None:
        self._requests = np.zeros(SIZE_CLASS_COUNT, np.int64)
        self._requested_bytes = np.zeros(SIZE_CLASS_COUNT, np.int64)
        self._live = np.zeros(SIZE_CLASS_COUNT, np.int64)
        self._peak_live = np.zeros(SIZE_CLASS_COUNT, np.int64)
        self._swing = np.zeros(SIZE_CLASS_COUNT, np.int64)
        self._exact = np.zeros(_COMMON_SIZES_BYTES + 1, np.int64)

    def add(self, followed: FollowedChunk) -> None:
        """Count the next chunk."""
        size = followed.chunk.size_bytes[followed.is_allocation]
        size_class = find_size_class(size)
        self._requests += count_by(size_class, SIZE_CLASS_COUNT)
        self._requested_bytes += count_by(size_class, SIZE_CLASS_COUNT, size.astype(np.int64))
        self._exact += count_by(size[size <= _COMMON_SIZES_BYTES], len(self._exact))
        self._follow_live(followed)

    def _follow_live(self, followed: FollowedChunk) -> None:
        known = followed.birth_event >= 0
        begins = np.flatnonzero((followed.is_allocation | followed.is_realloc) & known)
        ends = np.flatnonzero((followed.is_free | followed.is_realloc) & known)
        row = np.concatenate([ends, begins])
        size_class = find_size_class(
            np.concatenate([followed.previous_bytes[ends], followed.size_bytes[begins]])
        )
        step = np.concatenate([np.full(len(ends), -1), np.full(len(begins), 1)])
        window = (followed.first_event + row) // SWING_EVENTS
        order = np.lexsort((row, window, size_class))
        size_class, step, window = size_class[order], step[order], window[order]
        if not len(order):
            return
        running = np.cumsum(step)
        starts_class = np.flatnonzero(np.diff(size_class, prepend=-1))
        # The sum runs on over the classes: what was summed before a class is taken off again.
        before = np.concatenate([[0], running])[starts_class]
        lengths = np.diff(np.append(starts_class, len(order)))
        running += np.repeat(self._live[size_class[starts_class]] - before, lengths)
        self._peak_live[size_class[starts_class]] = np.maximum(
            self._peak_live[size_class[starts_class]], np.maximum.reduceat(running, starts_class)
        )
        starts = np.flatnonzero(np.diff(size_class, prepend=-1) | np.diff(window, prepend=-1))
        np.maximum.at(self._swing, size_class[starts], _find_swings(running, starts))
        self._live[size_class[starts_class]] = running[starts_class + lengths - 1]

    def to_frame(self) -> pd.DataFrame:
        """One row a size class that was asked for, smallest first."""
        frame = pd.DataFrame(
            {
                "upto_bytes": SIZE_BOUNDS_BYTES,
                "route": name_routes(),
                "allocations": self._requests,
                "share_percent": share_percent(pd.Series(self._requests)),
                "requested_bytes": self._requested_bytes,
                "requested_percent": share_percent(pd.Series(self._requested_bytes)),
                "peak_live_objects": self._peak_live,
                "swing_objects": self._swing,
            }
        )
        return frame[(frame["allocations"] > 0) | (frame["peak_live_objects"] > 0)].reset_index(drop=True)

    def common_sizes(self, most: int = 12) -> pd.DataFrame:
        """The exact sizes asked for most often, to 64 KiB; most frequent first."""
        order = np.argsort(-self._exact, kind="stable")[:most]
        order = order[self._exact[order] > 0]
        total = max(1, int(self._requests.sum()))
        counts = self._exact[order]
        return pd.DataFrame(
            {"size_bytes": order, "allocations": counts, "share_percent": counts * (100.0 / total)}
        )


def _find_swings(values: IntArray, starts: IntArray) -> IntArray:
    """By how much the values of each group fall and rise: the smaller of the largest fall and rise.

    Parameters
    ----------
    values : array
        Below 2^31; groups one after another.
    starts : array
        Where each group begins.
    """
    lengths = np.diff(np.append(starts, len(values)))
    # Each group is lifted above the one before, so that its highest so far is its own.
    lift = np.repeat(np.arange(len(starts), dtype=np.int64) << 32, lengths)
    falls = np.maximum.accumulate(values + lift) - lift - values
    rises = values - (np.minimum.accumulate(values - lift) + lift)
    return np.minimum(np.maximum.reduceat(falls, starts), np.maximum.reduceat(rises, starts))


class LifetimeTally:
    """How long objects lived, by three clocks: events, bytes asked for meanwhile, and microseconds."""

    def __init__(self) -> None:
        self._objects = np.zeros((len(_CLOCKS), LIFETIME_BIN_COUNT), np.int64)
        self._bytes = np.zeros((len(_CLOCKS), LIFETIME_BIN_COUNT), np.int64)
        self._by_size = np.zeros((SIZE_CLASS_COUNT, LIFETIME_BIN_COUNT), np.int64)
        self._born = np.zeros(SIZE_CLASS_COUNT, np.int64)

    def add(self, followed: FollowedChunk) -> None:
        """Count the next chunk."""
        size = followed.size_bytes[followed.is_allocation]
        self._born += count_by(find_size_class(size), SIZE_CLASS_COUNT)
        ended = np.flatnonzero(followed.is_free & (followed.birth_event >= 0))
        size = followed.previous_bytes[ended]
        lifetimes = (
            followed.first_event + ended - followed.birth_event[ended],
            followed.clock_bytes[ended] - followed.birth_bytes[ended],
            (followed.chunk.time_ns[ended] - followed.birth_ns[ended]) // 1000,
        )
        for clock, lifetime in enumerate(lifetimes):
            index = find_lifetime_bin(lifetime)
            self._objects[clock] += count_by(index, LIFETIME_BIN_COUNT)
            self._bytes[clock] += count_by(index, LIFETIME_BIN_COUNT, size)
        cell = find_size_class(size) * LIFETIME_BIN_COUNT + find_lifetime_bin(lifetimes[1])
        self._by_size += count_by(cell, self._by_size.size).reshape(self._by_size.shape)

    def to_frame(self) -> pd.DataFrame:
        """One row a clock and bin: `least` to `most` in the clock's unit, and the objects freed then."""
        least, most = lifetime_bounds()
        parts = [
            pd.DataFrame(
                {
                    "clock": clock,
                    "least": least,
                    "most": most,
                    "objects": self._objects[index],
                    "share_percent": share_percent(pd.Series(self._objects[index])),
                    "freed_bytes": self._bytes[index],
                }
            )
            for index, clock in enumerate(_CLOCKS)
        ]
        return _trim(pd.concat(parts, ignore_index=True), self._objects)

    def by_size(self) -> pd.DataFrame:
        """Objects by size class (when freed) and lifetime in bytes: one row a pair that occurred."""
        size_class, index = np.nonzero(self._by_size)
        least, most = lifetime_bounds()
        return pd.DataFrame(
            {
                "upto_bytes": SIZE_BOUNDS_BYTES[size_class],
                "least_lifetime_bytes": least[index],
                "most_lifetime_bytes": most[index],
                "objects": self._by_size[size_class, index],
            }
        )


def _trim(frame: pd.DataFrame, objects: IntArray) -> pd.DataFrame:
    """Without the bins beyond the longest lifetime of each clock."""
    used = [int(row.nonzero()[0].max(initial=0)) for row in objects]
    is_kept = np.concatenate([np.arange(LIFETIME_BIN_COUNT) <= last for last in used])
    return frame[is_kept].reset_index(drop=True)


class GroupTally:
    """Counts by a number that grows with the trace, such as a thread or a call site."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._counts: dict[str, IntArray] = {field: np.zeros(0, np.int64) for field in fields}

    def count(self, field: str, group: npt.NDArray[np.integer], weights: IntArray | None = None) -> None:
        """Count groups, or sum their weights."""
        if not len(group):
            return
        counts = self._counts[field]
        length = max(len(counts), int(group.max()) + 1)
        added = count_by(group, length, weights)
        added[: len(counts)] += counts
        self._counts[field] = added

    def to_frame(self) -> pd.DataFrame:
        """One row a group, from 0; zeros where nothing was counted."""
        length = max((len(counts) for counts in self._counts.values()), default=0)
        padded = {field: np.pad(counts, (0, length - len(counts))) for field, counts in self._counts.items()}
        return pd.DataFrame(padded)


class ThreadTally:
    """What each thread allocates, and what it frees of others."""

    def __init__(self) -> None:
        fields = ("events", "allocations", "requested_bytes", "reallocs", "frees", "frees_of_others")
        self._groups = GroupTally([*fields, "freed_by_others"])

    def add(self, followed: FollowedChunk) -> None:
        """Count the next chunk."""
        thread = followed.chunk.thread.astype(np.int64)
        self._groups.count("events", thread)
        self._groups.count("allocations", thread[followed.is_allocation])
        self._groups.count(
            "requested_bytes", thread[followed.is_allocation], followed.size_bytes[followed.is_allocation]
        )
        self._groups.count("reallocs", thread[followed.is_realloc])
        self._groups.count("frees", thread[followed.is_free])
        crosses = find_cross_thread_frees(followed)
        self._groups.count("frees_of_others", thread[crosses])
        self._groups.count("freed_by_others", followed.birth_thread[crosses])

    def to_frame(self) -> pd.DataFrame:
        """One row a thread, in the order in which they began."""
        frame = self._groups.to_frame()
        frame.insert(0, "thread", np.arange(len(frame)))
        return frame


class SiteTally:
    """What each call site asks for, and what becomes of it."""

    def __init__(self) -> None:
        self._groups = GroupTally(
            ("allocations", "requested_bytes", "freed", "lifetime_events", "freed_by_others", "reallocs")
        )

    def add(self, followed: FollowedChunk) -> None:
        """Count the next chunk."""
        site = followed.chunk.site.astype(np.int64)
        self._groups.count("allocations", site[followed.is_allocation])
        self._groups.count(
            "requested_bytes", site[followed.is_allocation], followed.size_bytes[followed.is_allocation]
        )
        ended = np.flatnonzero(followed.is_free & (followed.birth_event >= 0))
        birth_site = followed.birth_site[ended]
        self._groups.count("freed", birth_site)
        lifetime = followed.first_event + ended - followed.birth_event[ended]
        self._groups.count("lifetime_events", birth_site, lifetime)
        self._groups.count("freed_by_others", followed.birth_site[find_cross_thread_frees(followed)])
        self._groups.count("reallocs", site[followed.is_realloc])

    def to_frame(self) -> pd.DataFrame:
        """One row a call site that was used, most allocations first."""
        frame = self._groups.to_frame()
        frame.insert(0, "site", np.arange(len(frame)))
        frame["share_percent"] = share_percent(frame["allocations"])
        frame["mean_bytes"] = frame["requested_bytes"] / frame["allocations"].clip(lower=1)
        frame["never_freed"] = frame["allocations"] - frame["freed"]
        frame["mean_lifetime_events"] = frame.pop("lifetime_events") / frame["freed"].clip(lower=1)
        used = frame[(frame["allocations"] > 0) | (frame["reallocs"] > 0)]
        return used.sort_values("allocations", ascending=False, kind="stable").reset_index(drop=True)


class ReallocTally:
    """How reallocs change sizes."""

    def __init__(self) -> None:
        self._groups = GroupTally(
            ("reallocs", "grown", "shrunk", "same_class", "before_bytes", "after_bytes")
        )

    def add(self, followed: FollowedChunk) -> None:
        """Count the next chunk."""
        before = followed.previous_bytes[followed.is_realloc]
        after = followed.size_bytes[followed.is_realloc]
        size_class = find_size_class(before)
        self._groups.count("reallocs", size_class)
        self._groups.count("grown", size_class[after > before])
        self._groups.count("shrunk", size_class[after < before])
        self._groups.count("same_class", size_class[size_class == find_size_class(after)])
        self._groups.count("before_bytes", size_class, before)
        self._groups.count("after_bytes", size_class, after)

    def to_frame(self) -> pd.DataFrame:
        """One row a size class that was reallocated, by the size before. `growth` is after / before."""
        frame = self._groups.to_frame()
        frame.insert(0, "upto_bytes", SIZE_BOUNDS_BYTES[: len(frame)])
        frame["growth"] = frame["after_bytes"] / frame["before_bytes"].clip(lower=1)
        return frame[frame["reallocs"] > 0].reset_index(drop=True)


def count_kinds(followed: FollowedChunk) -> IntArray:
    """Events of each kind in a chunk, by the number of the kind."""
    return count_by(followed.chunk.kind, len(CallKind))


def find_cross_thread_frees(followed: FollowedChunk) -> Mask:
    """Frees by a thread that is not the one that allocated."""
    is_of_other: Mask = followed.birth_thread != followed.chunk.thread
    return followed.is_free & (followed.birth_thread >= 0) & is_of_other
