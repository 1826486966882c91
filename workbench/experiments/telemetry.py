"""What an allocator's control block tells of a run: bytes cached, highest gauges, counters."""

from __future__ import annotations

import math

from workbench.control import ControlBlock, Snapshot
from workbench.errors import WorkbenchError


class Tally:
    """Samples of a block while its process runs, and one after its end.

    Parameters
    ----------
    block : ControlBlock or None
        None: there is nothing to tell.
    """

    def __init__(self, block: ControlBlock | None) -> None:
        self._block = block
        metrics = [] if block is None else list(block.metrics.values())
        self._cached = [metric.name for metric in metrics if metric.role == "cached"]
        self._gauges = [metric.name for metric in metrics if metric.kind == "gauge"]
        self._at_end = [metric.name for metric in metrics if metric.kind != "gauge"]
        self._highest: dict[str, float] = {}
        #: Bytes that all caches kept, a value a sample.
        self.cached_bytes: list[float] = []

    def sample(self) -> None:
        """Take a sample; one that a crash tore is left out."""
        snapshot = self._read()
        if snapshot is None:
            return
        if self._cached:
            self.cached_bytes.append(max(0.0, sum(snapshot.fold(name) for name in self._cached)))
        for name in self._gauges:
            value = snapshot.fold(name)
            if math.isfinite(value):
                self._highest[name] = max(value, self._highest.get(name, value))

    def finish(self) -> dict[str, float]:
        """What the whole run comes to, by metric; empty if there is nothing to tell."""
        snapshot = self._read()
        if snapshot is None:
            return {}
        found = {name: snapshot.fold(name) for name in self._at_end} | self._highest
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _read(self) -> Snapshot | None:
        if self._block is None:
            return None
        try:
            return self._block.snapshot()
        except WorkbenchError:
            return None
