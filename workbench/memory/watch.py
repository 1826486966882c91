"""Reads where the memory of a process is again and again, beside whoever shows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from workbench.errors import WorkbenchError
from workbench.memory.use import MemoryUse

_PERIOD_S = 1.0
# A reading of a large process costs processor time; so many times as long is the time until the next.
_REST = 30.0


class MemoryWatch:
    """Reads on a thread of its own, at most once a second and with at most a thirtieth of a processor.

    Parameters
    ----------
    read : callable
        What to read, such as `measure_memory`; a WorkbenchError is a gap with its reason.
    """

    def __init__(self, read: Callable[[], MemoryUse]) -> None:
        self._read = read
        self._ended = threading.Event()
        self._latest: tuple[MemoryUse | None, str] = None, ""
        # A daemon: nobody waits for a reading that takes long.
        threading.Thread(target=self._run, name="memory watch", daemon=True).start()

    @property
    def use(self) -> MemoryUse | None:
        """What was read last; None before the first reading, or if it failed."""
        return self._latest[0]

    @property
    def reason(self) -> str:
        """Why there is nothing, or less than all; empty if nothing is amiss."""
        return self._latest[1]

    def close(self) -> None:
        """Read no more."""
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            begin_s = time.thread_time()
            try:
                use = self._read()
                self._latest = use, "; ".join(use.notes)
            except WorkbenchError as error:
                self._latest = None, str(error)
            self._ended.wait(max(_PERIOD_S, _REST * (time.thread_time() - begin_s)))
