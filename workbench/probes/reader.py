"""Reads probes side by side, each on a thread of its own, so that one that hangs delays nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from workbench.errors import BadParameter, WorkbenchError
from workbench.probes.probe import Probe, to_figure

#: A probe that has been silent for so many of its periods, and at least so long, is a gap.
_PATIENCE_PERIODS = 3
_PATIENCE_S = 2.0
_UNREAD = "it has not been read yet"


@dataclass(frozen=True)
class ProbeValue:
    """What a probe showed last.

    Attributes
    ----------
    probe : Probe
    time_s : float
        CLOCK_MONOTONIC when it was read; NaN before the first reading.
    value : float
        In the probe's unit; NaN if there is none.
    rate : float or None
        A counter's increase per second between its last two readings.
    reason : str
        Why there is no value; empty if there is one.
    began_s : float
        CLOCK_MONOTONIC when reading it began: what it shows is of some moment from then to `time_s`.
    """

    probe: Probe
    time_s: float = float("nan")
    value: float = float("nan")
    rate: float | None = None
    reason: str = _UNREAD
    began_s: float = float("nan")

    @property
    def is_read(self) -> bool:
        """Whether it was read, or failed, at least once."""
        return self.reason != _UNREAD

    @property
    def shown(self) -> float:
        """What a chart draws: the rate of a counter, the value of a gauge; NaN for a gap."""
        if self.probe.metric.kind != "counter":
            return self.value
        return float("nan") if self.rate is None else self.rate

    @property
    def shown_unit(self) -> str:
        """Unit of `shown`."""
        unit = self.probe.metric.unit
        return f"{unit}/s" if self.probe.metric.kind == "counter" else unit


class ProbeReader:
    """Reads probes again and again until it is closed.

    Parameters
    ----------
    probes : iterable of Probe
        Their names differ.
    clock : callable
        CLOCK_MONOTONIC in seconds; tests put their own in its place.

    Raises
    ------
    BadParameter
        If two probes have one name.
    """

    def __init__(self, probes: Iterable[Probe] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._values: dict[str, ProbeValue] = {}
        self._ends: dict[str, threading.Event] = {}
        for probe in probes:
            self.add(probe)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, probe: Probe) -> None:
        """Begin to read a further probe.

        Raises
        ------
        BadParameter
            If there is one of that name.
        """
        with self._lock:
            if probe.name in self._ends:
                raise BadParameter(f"probe {probe.name}: there is one of that name; choose another")
            end = self._ends[probe.name] = threading.Event()
            self._values[probe.name] = ProbeValue(probe, time_s=self._clock())
        # A daemon: a reading that hangs must not keep the program from its end.
        threading.Thread(target=self._run, args=(probe, end), name=f"probe {probe.name}", daemon=True).start()

    def remove(self, name: str) -> None:
        """Read a probe no longer; nothing happens if there is none of that name."""
        with self._lock:
            value = self._values.pop(name, None)
            end = self._ends.pop(name, None)
        if value is not None and end is not None:
            end.set()
            value.probe.cancel()

    def close(self) -> None:
        """Read nothing any more. A command that hangs is ended; a function is left to itself."""
        for name in list(self._ends):
            self.remove(name)

    def await_first(self, most_s: float) -> None:
        """Wait until each probe was read once, at most so long."""
        end_s = self._clock() + most_s
        while not all(one.is_read for one in self.latest().values()) and self._clock() < end_s:
            time.sleep(0.01)

    def latest(self) -> Mapping[str, ProbeValue]:
        """What each probe showed last; one that has been silent for too long is a gap."""
        now_s = self._clock()
        with self._lock:
            return {name: _judge_age(value, now_s) for name, value in self._values.items()}

    def _run(self, probe: Probe, end: threading.Event) -> None:
        before: ProbeValue | None = None
        while not end.is_set():
            value = self._read(probe, before)
            before = value if not value.reason else before
            with self._lock:
                if end.is_set():
                    return
                self._values[probe.name] = value
            end.wait(probe.period_s)

    def _read(self, probe: Probe, before: ProbeValue | None) -> ProbeValue:
        began_s = self._clock()
        try:
            figure = to_figure(probe.read(), probe.name)
        except WorkbenchError as error:
            return ProbeValue(probe, self._clock(), reason=str(error).removeprefix(f"{probe.name}: "))
        except Exception as error:  # whatever a user's function raises is its reason
            return ProbeValue(probe, self._clock(), reason=f"{type(error).__name__}: {error}")
        now_s, rate = self._clock(), None
        # A counter that fell began anew: its program was restarted.
        if before is not None and probe.metric.kind == "counter" and figure >= before.value:
            rate = (figure - before.value) / (now_s - before.time_s) if now_s > before.time_s else None
        return ProbeValue(probe, now_s, figure, rate, "", began_s)


def _judge_age(value: ProbeValue, now_s: float) -> ProbeValue:
    silent_s = now_s - value.time_s
    if silent_s <= max(_PATIENCE_S, _PATIENCE_PERIODS * value.probe.period_s):
        return value
    return ProbeValue(value.probe, value.time_s, reason=f"it has not answered for {silent_s:.0f} s")
