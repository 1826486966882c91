"""What changes over the course of a trace: live bytes, the mix of sizes, and the phases it makes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.traces.analysis_bins import SIZE_BOUNDS_BYTES, SIZE_CLASS_COUNT, find_size_class
from workbench.traces.analysis_objects import FollowedChunk
from workbench.traces.analysis_phases import find_phases
from workbench.traces.analysis_tallies import count_by

#: Bins, of as many events each, in which the course is told.
BIN_COUNT = 240

_PHASE_COLUMNS = (
    "phase", "first_event", "event_count", "first_s", "duration_s", "allocations", "mean_bytes",
    "commonest_bytes", "commonest_percent",
)  # fmt: skip


class CourseTally:
    """Live bytes and the mix of sizes over the trace's course, in bins of as many events."""

    def __init__(self, event_count: int) -> None:
        self._bin_events = max(1, -(-event_count // BIN_COUNT))
        bin_count = max(1, -(-event_count // self._bin_events))
        self._end_ns = np.zeros(bin_count, np.int64)
        self._live_bytes = np.zeros(bin_count, np.int64)
        self._highest_bytes = np.zeros(bin_count, np.int64)
        self._live_objects = np.zeros(bin_count, np.int64)
        self._mix = np.zeros((bin_count, SIZE_CLASS_COUNT), np.int64)
        self._requested_bytes = np.zeros(bin_count, np.int64)
        self._object_count = 0
        self._event_count = 0

    def add(self, followed: FollowedChunk) -> None:
        """Count the next chunk."""
        if not followed.event_count:
            return
        index = (followed.first_event + np.arange(followed.event_count)) // self._bin_events
        index = np.minimum(index, len(self._live_bytes) - 1)
        np.maximum.at(self._highest_bytes, index, followed.live_bytes)
        last = np.flatnonzero(np.diff(index, append=index[-1] + 1))
        objects = self._object_count + np.cumsum(followed.live_objects_delta)
        self._live_bytes[index[last]] = followed.live_bytes[last]
        self._live_objects[index[last]] = objects[last]
        self._end_ns[index[last]] = followed.chunk.time_ns[last]
        rows = np.flatnonzero(followed.is_allocation)
        size = followed.size_bytes[rows]
        cell = index[rows] * SIZE_CLASS_COUNT + find_size_class(size)
        self._mix += count_by(cell, self._mix.size).reshape(self._mix.shape)
        self._requested_bytes += count_by(index[rows], len(self._requested_bytes), size)
        self._object_count = int(objects[-1])
        self._event_count += followed.event_count

    def _seen(self) -> int:
        """Bins that have events: fewer than planned if the trace breaks off."""
        return -(-self._event_count // self._bin_events)

    def live_frame(self) -> pd.DataFrame:
        """The curve of live bytes."""
        seen = self._seen()
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
        seen = self._seen()
        used = np.flatnonzero(self._mix.sum(axis=0))
        frame = pd.DataFrame(self._mix[:seen, used], columns=SIZE_BOUNDS_BYTES[used])
        frame.index = pd.Index(np.arange(seen) * self._bin_events, name="first_event")
        frame.columns.name = "upto_bytes"
        return frame

    def phase_frame(self) -> pd.DataFrame:
        """Stretches in which the mix stays the same."""
        seen = self._seen()
        rows = []
        for number, (first, end) in enumerate(find_phases(self._mix[:seen]) if seen else []):
            mix = self._mix[first:end].sum(axis=0)
            allocations = int(mix.sum())
            begin_ns = int(self._end_ns[first - 1]) if first else 0
            last_event = min(end * self._bin_events, self._event_count)
            rows.append(
                {
                    "phase": number,
                    "first_event": first * self._bin_events,
                    "event_count": last_event - first * self._bin_events,
                    "first_s": begin_ns / 1e9,
                    "duration_s": (int(self._end_ns[end - 1]) - begin_ns) / 1e9,
                    "allocations": allocations,
                    "mean_bytes": float(self._requested_bytes[first:end].sum()) / max(1, allocations),
                    "commonest_bytes": int(SIZE_BOUNDS_BYTES[mix.argmax()]),
                    "commonest_percent": 100.0 * float(mix.max()) / max(1, allocations),
                }
            )
        return pd.DataFrame(rows, columns=_PHASE_COLUMNS)  # also of a trace without events
