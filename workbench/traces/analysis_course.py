"""What changes over the course of a trace: live bytes, the mix of sizes, and the phases it makes.

A phase is a stretch in which the program asks for the same mix of sizes. The trace is cut into bins of as
many events; each bin's mix is its allocations by size class. Neighbours that are most alike are merged,
again and again, until those left differ: bottom-up segmentation (Keogh, Chu, Hart and Pazzani, "An online
algorithm for segmenting time series", 2001), with the Jensen-Shannon divergence of two mixes (Lin, 1991)
as their difference.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial.distance import jensenshannon

from workbench.traces.analysis_tallies import SIZE_BOUNDS_BYTES, SIZE_CLASS_COUNT, find_size_class
from workbench.traces.objects import FollowedChunk

#: Bins, of as many events each, in which the course is told.
BIN_COUNT = 240
#: Two mixes further apart than this, in bits, are different phases: 0 is the same, 1 nothing in common.
LEAST_DIFFERENCE_BITS = 0.08
#: A phase is no shorter than this share of all bins.
LEAST_SHARE = 0.02
MOST_PHASES = 12


class CourseTally:
    """Live bytes and the mix of sizes over the trace's course, in bins of as many events."""

    def __init__(self, event_count: int) -> None:
        self._bin_events = max(1, -(-event_count // BIN_COUNT))
        bin_count = max(1, -(-event_count // self._bin_events))
        self._end_ns, self._live_bytes, self._highest_bytes, self._live_objects, self._requested_bytes = (
            np.zeros((5, bin_count), np.int64)
        )
        self._mix = np.zeros((bin_count, SIZE_CLASS_COUNT), np.int64)
        self._object_count = 0
        self._event_count = 0

    @property
    def _seen(self) -> int:
        """Bins that have events: fewer than planned if the trace breaks off."""
        return -(-self._event_count // self._bin_events)

    def add(self, followed: FollowedChunk) -> None:
        """Count the next chunk."""
        count = len(followed.chunk)
        index = (followed.first_event + np.arange(count)) // self._bin_events
        index = np.minimum(index, len(self._live_bytes) - 1)
        np.maximum.at(self._highest_bytes, index, followed.live_bytes)
        last = np.flatnonzero(np.diff(index, append=-1))
        steps = followed.is_allocation.astype(np.int64) - (followed.is_free & followed.was_live)
        objects = self._object_count + np.cumsum(steps)
        self._live_bytes[index[last]] = followed.live_bytes[last]
        self._live_objects[index[last]] = objects[last]
        self._end_ns[index[last]] = followed.chunk.time_ns[last]
        index, size = index[followed.is_allocation], followed.size_bytes[followed.is_allocation]
        np.add.at(self._mix, (index, find_size_class(size)), 1)
        np.add.at(self._requested_bytes, index, size)
        self._object_count = int(objects[-1])
        self._event_count += count

    def live_frame(self) -> pd.DataFrame:
        """The curve of live bytes."""
        seen = self._seen
        ends = np.minimum((np.arange(seen) + 1) * self._bin_events, self._event_count)
        return pd.DataFrame(
            {
                "event": ends - 1,
                "time_s": self._end_ns[:seen] / 1e9,
                "live_bytes": self._live_bytes[:seen],
                "highest_bytes": self._highest_bytes[:seen],
                "live_objects": self._live_objects[:seen],
            }
        )

    def mix_frame(self) -> pd.DataFrame:
        """Allocations by size class in every bin."""
        used = np.flatnonzero(self._mix.sum(axis=0))
        return pd.DataFrame(
            self._mix[: self._seen, used],
            index=pd.Index(np.arange(self._seen) * self._bin_events, name="first_event"),
            columns=pd.Index(SIZE_BOUNDS_BYTES[used], name="upto_bytes"),
        )

    def phase_frame(self) -> pd.DataFrame:
        """Stretches in which the mix stays the same."""
        seen = self._mix[: self._seen]
        first, end = np.array(find_phases(seen), np.int64).reshape(-1, 2).T
        mix = np.add.reduceat(seen, first)
        allocations = mix.sum(axis=1)
        first_event, end_ns = first * self._bin_events, self._end_ns[end - 1]
        first_ns = np.where(first > 0, self._end_ns[first - 1], 0)
        return pd.DataFrame(
            {
                "phase": np.arange(len(first)),
                "first_event": first_event,
                "event_count": np.minimum(end * self._bin_events, self._event_count) - first_event,
                "first_s": first_ns / 1e9,
                "duration_s": (end_ns - first_ns) / 1e9,
                "allocations": allocations,
                "mean_bytes": np.add.reduceat(self._requested_bytes, first) / np.maximum(1, allocations),
                "commonest_bytes": SIZE_BOUNDS_BYTES[mix.argmax(axis=1)],
                "commonest_percent": 100.0 * mix.max(axis=1) / np.maximum(1, allocations),
            }
        )


def find_phases(mix: npt.NDArray[np.number], most_phases: int = MOST_PHASES) -> list[tuple[int, int]]:
    """First bin, and the bin after the last, of every phase of a mix: bins of allocations by size class.

    The most alike are merged until there are no more than `most_phases`.
    """
    counts = list(np.asarray(mix, np.float64))
    bounds = [(index, index + 1) for index in range(len(counts))]
    least_length = max(1, int(len(counts) * LEAST_SHARE))
    differences = [difference_bits(a, b) for a, b in itertools.pairwise(counts)]
    while differences:
        index = int(np.argmin(differences))
        if differences[index] >= LEAST_DIFFERENCE_BITS and len(counts) <= most_phases:
            lengths = [end - first for first, end in bounds]
            short = [k for k, pair in enumerate(itertools.pairwise(lengths)) if min(pair) < least_length]
            if not short:
                break
            index = min(short, key=lambda k: differences[k])
        counts[index : index + 2] = [counts[index] + counts[index + 1]]
        bounds[index : index + 2] = [(bounds[index][0], bounds[index + 1][1])]
        del differences[index]
        if index > 0:
            differences[index - 1] = difference_bits(counts[index - 1], counts[index])
        if index < len(differences):
            differences[index] = difference_bits(counts[index], counts[index + 1])
    return bounds


def difference_bits(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Jensen-Shannon divergence of two mixes, in bits: 0 if they are alike, 1 if they share nothing."""
    if not first.any() or not second.any():
        return 0.0  # a stretch without allocations goes with its neighbour
    return float(jensenshannon(first, second, base=2)) ** 2
