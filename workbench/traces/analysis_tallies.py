"""Counts what the events of a trace have in common: by size, lifetime, thread and call site.

The bins are size classes, four a doubling, and lifetimes, powers of two. A tally takes followed chunks in
order and gives a table at the end. What it keeps does not grow with the trace, only with its threads and
call sites.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.traces.objects import FollowedChunk, IntArray
from workbench.units import KIB, MIB

# The allocator's own classes to 32 KiB (native/tables/size_classes.def), and on in the same steps.
_LARGEST_BITS = 40
_TINY_BITS = 10
SIZE_BOUNDS_BYTES: IntArray = np.array(
    [8, 16, 32, 48, 64]
    + [
        (1 << bits) * eighths // 8
        for bits in range(6, _LARGEST_BITS)
        for eighths in ((10, 12, 14, 16) if bits < _TINY_BITS else (9, 11, 13, 16))
    ],
    np.int64,
)
#: Number of size classes; the last one has all that is larger.
SIZE_CLASS_COUNT = len(SIZE_BOUNDS_BYTES)

#: The part of the allocator that serves each size class.
ROUTES = np.array(["tiny", "mid", "L2.5", "big"], object)[
    np.searchsorted([KIB, 32 * KIB, MIB], SIZE_BOUNDS_BYTES, side="left")
]

LIFETIME_BIN_COUNT = 50
#: Smallest and largest lifetime of each bin: 0, 1, 2..3, 4..7 and so on.
LEAST_LIFETIME: IntArray = np.array([0, *(1 << np.arange(LIFETIME_BIN_COUNT - 1))])
MOST_LIFETIME: IntArray = np.array([*LEAST_LIFETIME[1:] - 1, (1 << (LIFETIME_BIN_COUNT - 1)) - 1])

#: Events within which a class's live objects swing. A chunk's end ends them, too.
SWING_EVENTS = 16384
_COMMON_SIZES_BYTES = 65536  # exact sizes are counted up to here
_MOST_COMMON_SIZES = 12
_CLOCKS = ("events", "bytes", "us")


def find_size_class(size_bytes: npt.NDArray[np.integer]) -> IntArray:
    """Number of the size class of each request."""
    found = np.searchsorted(SIZE_BOUNDS_BYTES, size_bytes, side="left")
    return np.minimum(found, SIZE_CLASS_COUNT - 1).astype(np.int64)


def find_lifetime_bin(lifetime: IntArray) -> IntArray:
    """Number of the bin of each lifetime: 0 for none, else one more than its logarithm to base 2."""
    _, exponent = np.frexp(lifetime.astype(np.float64))
    return np.clip(exponent, 0, LIFETIME_BIN_COUNT - 1).astype(np.int64)


class Counts:
    """Sums by group, such as a thread, a call site or a size class; groups are numbered from 0."""

    def __init__(self, *names: str) -> None:
        self._sums: dict[str, IntArray] = dict.fromkeys(names, np.zeros(0, np.int64))

    def add(self, group: npt.NDArray[np.integer], *counted: str, **summed: IntArray) -> None:
        """Count each group's occurrences, and sum what stands beside them: exact to 2^53."""
        for name, amounts in [*((name, None) for name in counted), *summed.items()]:
            before = self._sums[name]
            added = np.bincount(group.astype(np.int64), amounts, len(before)).astype(np.int64)
            added[: len(before)] += before
            self._sums[name] = added

    def to_frame(self, name: str) -> pd.DataFrame:
        """One row a group, its number in the column `name`; zeros where nothing was counted."""
        length = max(len(sums) for sums in self._sums.values())
        padded = {key: np.pad(sums, (0, length - len(sums))) for key, sums in self._sums.items()}
        return pd.DataFrame({name: np.arange(length)} | padded)


class SizeTally:
    """Requests by size class, and how many objects of a class live at once."""

    def __init__(self) -> None:
        self._requests, self._requested_bytes, self._live, self._peak_live, self._swing = np.zeros(
            (5, SIZE_CLASS_COUNT), np.int64
        )
        self._exact = np.zeros(_COMMON_SIZES_BYTES + 1, np.int64)

    def add(self, followed: FollowedChunk) -> None:
        """Count the next chunk."""
        size = followed.size_bytes[followed.is_allocation]
        size_class = find_size_class(size)
        np.add.at(self._requests, size_class, 1)
        np.add.at(self._requested_bytes, size_class, size)
        np.add.at(self._exact, size[size <= _COMMON_SIZES_BYTES], 1)
        self._follow_live(followed)

    def _follow_live(self, followed: FollowedChunk) -> None:
        begins = np.flatnonzero(followed.is_allocation | (followed.is_realloc & followed.was_live))
        ends = np.flatnonzero((followed.is_free | followed.is_realloc) & followed.was_live)
        row = np.concatenate([ends, begins])
        if not len(row):
            return
        size_class = find_size_class(
            np.concatenate([followed.previous_bytes[ends], followed.size_bytes[begins]])
        )
        step = np.repeat([-1, 1], [len(ends), len(begins)])
        window = (followed.first_event + row) // SWING_EVENTS
        order = np.lexsort((row, window, size_class))
        size_class, step, window = size_class[order], step[order], window[order]
        running = np.cumsum(step)
        starts_class = np.flatnonzero(np.diff(size_class, prepend=-1))
        classes = size_class[starts_class]
        # The sum runs on over the classes: what was summed before a class is taken off again.
        before = np.concatenate([[0], running])[starts_class]
        lengths = np.diff(np.append(starts_class, len(order)))
        running += np.repeat(self._live[classes] - before, lengths)
        highest = np.maximum.reduceat(running, starts_class)
        self._peak_live[classes] = np.maximum(self._peak_live[classes], highest)
        starts = np.flatnonzero(np.diff(size_class, prepend=-1) | np.diff(window, prepend=-1))
        np.maximum.at(self._swing, size_class[starts], _find_swings(running, starts))
        self._live[classes] = running[starts_class + lengths - 1]

    def to_frame(self) -> pd.DataFrame:
        """One row a size class that was asked for, smallest first."""
        frame = pd.DataFrame(
            {
                "upto_bytes": SIZE_BOUNDS_BYTES,
                "route": ROUTES,
                "allocations": self._requests,
                "share_percent": _share_percent(self._requests),
                "requested_bytes": self._requested_bytes,
                "requested_percent": _share_percent(self._requested_bytes),
                "peak_live_objects": self._peak_live,
                "swing_objects": self._swing,
            }
        )
        return frame[(frame["allocations"] > 0) | (frame["peak_live_objects"] > 0)].reset_index(drop=True)

    def common_sizes(self) -> pd.DataFrame:
        """The exact sizes asked for most often, to 64 KiB; most frequent first."""
        sizes = np.argsort(-self._exact, kind="stable")[:_MOST_COMMON_SIZES]
        sizes = sizes[self._exact[sizes] > 0]
        counts = self._exact[sizes]
        shares = counts * (100.0 / max(1, self._requests.sum()))
        return pd.DataFrame({"size_bytes": sizes, "allocations": counts, "share_percent": shares})


def _share_percent(part: IntArray) -> npt.NDArray[np.floating]:
    """Each value's share of the sum, in percent."""
    return part * (100.0 / max(1, int(part.sum())))


def _find_swings(values: IntArray, starts: IntArray) -> IntArray:
    """By how much the values of each group fall and rise: the smaller of the largest fall and rise.

    The groups of values, all below 2^31, stand one after another; each begins where `starts` says.
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
        self._objects, self._bytes = np.zeros((2, len(_CLOCKS), LIFETIME_BIN_COUNT), np.int64)
        self._by_size = np.zeros((SIZE_CLASS_COUNT, LIFETIME_BIN_COUNT), np.int64)

    def add(self, followed: FollowedChunk) -> None:
        """Count the next chunk."""
        ended = np.flatnonzero(followed.is_free & followed.was_live)
        size, birth = followed.previous_bytes[ended], followed.birth
        bins = find_lifetime_bin(
            np.array(
                [
                    followed.first_event + ended - birth["event"][ended],
                    followed.clock_bytes[ended] - birth["bytes"][ended],
                    (followed.chunk.time_ns[ended] - birth["ns"][ended]) // 1000,
                ]
            )
        )
        for objects, freed_bytes, of_clock in zip(self._objects, self._bytes, bins, strict=True):
            np.add.at(objects, of_clock, 1)
            np.add.at(freed_bytes, of_clock, size)
        np.add.at(self._by_size, (find_size_class(size), bins[_CLOCKS.index("bytes")]), 1)

    def to_frame(self) -> pd.DataFrame:
        """One row a clock and bin, to the longest lifetime: `least` to `most` in the clock's unit."""
        parts = []
        for clock, objects, freed_bytes in zip(_CLOCKS, self._objects, self._bytes, strict=True):
            columns = {
                "least": LEAST_LIFETIME,
                "most": MOST_LIFETIME,
                "objects": objects,
                "share_percent": _share_percent(objects),
                "freed_bytes": freed_bytes,
            }
            parts.append(pd.DataFrame({"clock": clock} | columns)[: objects.nonzero()[0].max(initial=0) + 1])
        return pd.concat(parts, ignore_index=True)

    def by_size(self) -> pd.DataFrame:
        """Objects by size class (when freed) and lifetime in bytes: one row a pair that occurred."""
        size_class, index = np.nonzero(self._by_size)
        return pd.DataFrame(
            {
                "upto_bytes": SIZE_BOUNDS_BYTES[size_class],
                "least_lifetime_bytes": LEAST_LIFETIME[index],
                "most_lifetime_bytes": MOST_LIFETIME[index],
                "objects": self._by_size[size_class, index],
            }
        )


class GroupTally:
    """What each thread does, what each call site asks for, and how reallocs change sizes."""

    def __init__(self) -> None:
        self._threads = Counts(
            "events", "allocations", "requested_bytes", "reallocs", "frees", "frees_of_others",
            "freed_by_others",
        )  # fmt: skip
        self._sites = Counts(
            "allocations", "requested_bytes", "freed", "lifetime_events", "freed_by_others", "reallocs"
        )
        self._reallocs = Counts("reallocs", "grown", "shrunk", "same_class", "before_bytes", "after_bytes")

    def add(self, followed: FollowedChunk) -> None:
        """Count the next chunk."""
        thread, site, birth = followed.chunk.thread, followed.chunk.site, followed.birth
        allocated, reallocated = followed.is_allocation, followed.is_realloc
        size = followed.size_bytes[allocated]
        ended = np.flatnonzero(followed.is_free & followed.was_live)
        crossing = ended[birth["thread"][ended] != thread[ended]]
        self._threads.add(thread, "events")
        self._threads.add(thread[allocated], "allocations", requested_bytes=size)
        self._threads.add(thread[reallocated], "reallocs")
        self._threads.add(thread[followed.is_free], "frees")
        self._threads.add(thread[crossing], "frees_of_others")
        self._threads.add(birth["thread"][crossing], "freed_by_others")
        self._sites.add(site[allocated], "allocations", requested_bytes=size)
        lifetime = followed.first_event + ended - birth["event"][ended]
        self._sites.add(birth["site"][ended], "freed", lifetime_events=lifetime)
        self._sites.add(birth["site"][crossing], "freed_by_others")
        self._sites.add(site[reallocated], "reallocs")
        before, after = followed.previous_bytes[reallocated], followed.size_bytes[reallocated]
        size_class = find_size_class(before)
        self._reallocs.add(size_class, "reallocs", before_bytes=before, after_bytes=after)
        self._reallocs.add(size_class[after > before], "grown")
        self._reallocs.add(size_class[after < before], "shrunk")
        self._reallocs.add(size_class[size_class == find_size_class(after)], "same_class")

    def thread_frame(self) -> pd.DataFrame:
        """One row a thread, in the order in which they began."""
        return self._threads.to_frame("thread")

    def site_frame(self) -> pd.DataFrame:
        """One row a call site that was used, most allocations first."""
        frame = self._sites.to_frame("site")
        frame["share_percent"] = _share_percent(frame["allocations"].to_numpy())
        frame["mean_bytes"] = frame["requested_bytes"] / frame["allocations"].clip(lower=1)
        frame["never_freed"] = frame["allocations"] - frame["freed"]
        frame["mean_lifetime_events"] = frame.pop("lifetime_events") / frame["freed"].clip(lower=1)
        used = frame[(frame["allocations"] > 0) | (frame["reallocs"] > 0)]
        return used.sort_values("allocations", ascending=False, kind="stable").reset_index(drop=True)

    def realloc_frame(self) -> pd.DataFrame:
        """One row a size class that was reallocated, by the size before. `growth` is after / before."""
        frame = self._reallocs.to_frame("upto_bytes")
        frame["upto_bytes"] = SIZE_BOUNDS_BYTES[frame["upto_bytes"]]
        frame["growth"] = frame["after_bytes"] / frame["before_bytes"].clip(lower=1)
        return frame[frame["reallocs"] > 0].reset_index(drop=True)
