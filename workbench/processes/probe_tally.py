"""What probes show while a program is measured, as one number each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Self

from workbench.probes import ProbeReader, ProbeValue, read_probe
from workbench.processes.figures import Figure

# A run may be short: each probe is read at least so often.
_PERIOD_S = 0.1
# How long is waited for a reading after the load has ended.
_LAST_S = 2.0


class ProbeTally:
    """Reads the probes of some figures: of a gauge the mean counts, of a counter how much it grew.

    Parameters
    ----------
    figures : iterable of Figure
        Those without a probe are left out.
    pids : callable
        The processes whose figures the built-in probes are.
    """

    def __init__(self, figures: Iterable[Figure], pids: Callable[[], list[int]]) -> None:
        self._reader = ProbeReader()
        self._values: dict[str, list[ProbeValue]] = {}
        self._reasons: dict[str, str] = {}
        for figure in figures:
            if figure.probe:
                probe = read_probe(figure.probe, pids)
                metric = replace(probe.metric, name=figure.name)
                self._reader.add(replace(probe, metric=metric, period_s=min(probe.period_s, _PERIOD_S)))
                self._values[figure.name] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def take(self) -> None:
        """Keep what was read since the last time."""
        for name, value in self._reader.latest().items():
            kept = self._values[name]
            if not value.is_read:
                continue
            if value.reason:
                self._reasons[name] = value.reason
            elif not kept or kept[-1].time_s != value.time_s:
                kept.append(value)

    def finish(self) -> None:
        """Take a last reading of each, of a program that still runs when its load has ended."""
        ended_s = time.monotonic()
        while time.monotonic() < ended_s + _LAST_S:
            self.take()
            if all(kept and kept[-1].time_s > ended_s for kept in self._values.values()):
                return
            time.sleep(_PERIOD_S / 10)

    def tell(self) -> dict[str, float | str]:
        """The number of each figure, or the reason why there is none."""
        told: dict[str, float | str] = {}
        for name, kept in self._values.items():
            values = [one.value for one in kept]
            if not values:
                told[name] = self._reasons.get(name, "it was not read while the program ran")
            elif kept[0].probe.metric.kind == "counter":
                told[name] = values[-1] - values[0]
            else:
                told[name] = sum(values) / len(values)
        return told
