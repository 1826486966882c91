"""Reads something slow again and again, beside whoever shows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from workbench.errors import WorkbenchError

Reading = TypeVar("Reading")


class Watch(Generic[Reading]):
    """Reads on a thread of its own.

    Parameters
    ----------
    read : callable
        What to read, such as `measure_memory`; a WorkbenchError is a gap with its reason.
    period_s : float
        The shortest time between two readings.
    rest : float
        A reading costs processor time; so many times as long is the time until the next.
    """

    def __init__(self, read: Callable[[], Reading], *, period_s: float = 1.0, rest: float = 30.0) -> None:
        self._read = read
        self._period_s, self._rest = period_s, rest
        self._ended = threading.Event()
        #: What was read last; it stays when a reading fails. None before the first.
        self.latest: Reading | None = None
        #: Why the last reading failed; empty if it did not.
        self.reason = ""
        # A daemon: nobody waits for a reading that takes long.
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    @property
    def current(self) -> Reading | None:
        """What was read last, unless the last reading failed."""
        return None if self.reason else self.latest

    def close(self) -> None:
        """Read no more."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            begin_s = time.thread_time()
            try:
                self.latest = self._read()
                self.reason = ""
            except WorkbenchError as error:
                self.reason = str(error)
            self._ended.wait(max(self._period_s, self._rest * (time.thread_time() - begin_s)))
