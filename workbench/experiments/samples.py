"""What is sampled of a worker while it runs: memory, bytes that caches keep, and the allocator's metrics."""

from __future__ import annotations

import contextlib
import math

from workbench.errors import NoProcess, WorkbenchError
from workbench.processes import Worker, resident_bytes


class Samples:
    """Samples of a worker, and of its allocator's control block if it has one.

    Attributes
    ----------
    resident_bytes, cached_bytes : list of float
        A value a sample; no allocator without a control block tells what it caches.
    telemetry : dict of str to float
        By metric: of gauges the highest sample, of others what they were at the end.
    """

    def __init__(self, worker: Worker) -> None:
        self.resident_bytes: list[float] = []
        self.cached_bytes: list[float] = []
        self.telemetry: dict[str, float] = {}
        self._worker = worker
        self._block = worker.allocator_block
        metrics = [] if self._block is None else self._block.metrics.values()
        self._gauges = [metric.name for metric in metrics if metric.kind == "gauge"]
        self._others = [metric.name for metric in metrics if metric.kind != "gauge"]
        self._cached = [metric.name for metric in metrics if metric.role == "cached"]

    def take(self) -> None:
        """Take a sample; one that the end of the process tore is left out."""
        with contextlib.suppress(NoProcess):
            if (resident := resident_bytes(self._worker.pid)) > 0:
                self.resident_bytes.append(resident)
            found = self._fold(self._gauges)
            if found and self._cached:
                self.cached_bytes.append(max(0.0, sum(found.get(name, 0.0) for name in self._cached)))
            for name, value in found.items():
                self.telemetry[name] = max(value, self.telemetry.get(name, value))

    def finish(self) -> None:
        """Read what is counted, once the process has ended."""
        self.telemetry |= self._fold(self._others)

    def _fold(self, names: list[str]) -> dict[str, float]:
        """One finite number a metric."""
        try:
            snapshot = None if self._block is None else self._block.snapshot()
        except WorkbenchError:
            snapshot = None
        folded = {} if snapshot is None else {name: snapshot.fold(name) for name in names}
        return {name: value for name, value in folded.items() if math.isfinite(value)}
