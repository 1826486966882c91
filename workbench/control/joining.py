"""One snapshot of several processes that publish the same metrics; they may come and go."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.control.metric import Axis, Metric
from workbench.control.snapshot import Layout, Snapshot

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from workbench.control.snapshot import WordArray

    PlaceArray = npt.NDArray[np.intp]


class SnapshotJoiner:
    """Joins the snapshots of processes: threads are folded, sums stay sums, of a maximum the highest counts.

    A counter never falls: what a process has counted stays when it ends. Of a process that comes later it
    counts what that does from then on, so that no rate jumps.

    Parameters
    ----------
    metrics, axes : mapping
        Descriptors, which all processes have.
    """

    def __init__(self, metrics: Mapping[str, Metric], axes: Mapping[str, Axis]) -> None:
        import numpy as np

        self._metrics, self._axes = metrics, axes
        self._lock = threading.Lock()
        self._layout = Layout(metrics, axes, (1,) * len(axes))
        self._places: dict[tuple[int, ...], tuple[PlaceArray, PlaceArray]] = {}
        self._totals: WordArray = np.zeros(self._layout.size, np.int64)
        self._before: Mapping[Path, Snapshot] | None = None

    def join(self, parts: Mapping[Path, Snapshot]) -> Snapshot:
        """Make one snapshot of those of the processes that live now, by the files of their blocks."""
        import numpy as np

        with self._lock:
            self._make_room(parts.values())
            sums = np.zeros_like(self._totals)
            highest = np.zeros_like(self._totals)
            for path, part in parts.items():
                self._add(part, sums, 1)
                self._raise(part, highest)
                if self._before is None:
                    self._add(part, self._totals, 1)
                elif path in self._before:
                    self._add(part, self._totals, 1)
                    self._add(self._before[path], self._totals, -1)
            self._before = dict(parts)
            for name, (place, _) in self._layout.places.items():
                metric = self._metrics[name]
                if metric.kind == "counter":
                    sums[place] = self._totals[place]
                elif metric.fold == "max":
                    sums[place] = highest[place]
        # When they were taken on the average: joining takes time, too.
        times_s = [part.time_s for part in parts.values()]
        time_s = float(np.mean(times_s)) if times_s else time.monotonic()
        return Snapshot(time_s, sums, self._layout, tuple(parts.values()))

    def forget(self, path: Path) -> None:
        """What comes next from this file is of another program, which counts from the beginning."""
        with self._lock:
            self._before = {one: part for one, part in (self._before or {}).items() if one != path}

    def _make_room(self, parts: Iterable[Snapshot]) -> None:
        """Lengthen axes to the rows that are in use anywhere; threads are one row."""
        import numpy as np

        counts = dict(self._layout.counts)
        for part in parts:
            for axis in counts.keys() - self._layout.thread_axes:
                counts[axis] = max(counts[axis], part.layout.counts[axis])
        if counts != self._layout.counts:
            before, totals = self._layout, self._totals
            self._layout = Layout(self._metrics, self._axes, tuple(counts.values()))
            self._places.clear()
            self._totals = np.zeros(self._layout.size, np.int64)
            self._totals[self._find_places(before)[0]] = totals

    def _add(self, part: Snapshot, words: WordArray, sign: int) -> None:
        import numpy as np

        np.add.at(words, self._find_places(part.layout)[0], sign * part.words)

    def _raise(self, part: Snapshot, words: WordArray) -> None:
        import numpy as np

        places, threads = self._find_places(part.layout)
        # What an ended thread left behind does not count.
        is_live = (threads < 0) | (part.words[threads] != 0)
        np.maximum.at(words, places[is_live], part.words[is_live])

    def _find_places(self, layout: Layout) -> tuple[PlaceArray, PlaceArray]:
        """For each word of a layout, its place in ours, and the word with its thread's number (or -1)."""
        import numpy as np

        key = tuple(layout.counts.values())
        if key not in self._places:
            places = np.empty(layout.size, np.intp)
            threads = np.full(layout.size, -1, np.intp)
            for name, (place, shape) in layout.places.items():
                axes = self._metrics[name].axes
                ours, our_shape = self._layout.places[name]
                places[place] = ours.start
                if not axes:
                    continue
                rows = np.indices(shape).reshape(len(shape), -1)
                if axes[0] in layout.thread_ids:
                    threads[place] = layout.places[layout.thread_ids[axes[0]]][0].start + rows[0]
                for number, axis in enumerate(axes):
                    if axis in layout.thread_axes:
                        rows[number] = 0
                places[place] += np.ravel_multi_index(tuple(rows), our_shape)
            self._places[key] = places, threads
        return self._places[key]
