"""Counts of the events an allocator's control block told during a run, and the last of them as text."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace

from workbench.control import ControlBlock
from workbench.errors import WorkbenchError

LAST_EVENTS = 20


class EventTally:
    """Follows the event ring of one block; used by one thread.

    Parameters
    ----------
    block : ControlBlock or None
        None: an allocator that has none; nothing is counted.
    """

    def __init__(self, block: ControlBlock | None) -> None:
        # Now rather than at the first `drain`, on a thread: where Ctrl-C breaks off an import in the main
        # thread, another thread in the same import waits for ever.
        import numpy as np  # noqa: F401

        self._block = block
        self._cursor = 0
        self._counts: Counter[str] = Counter()
        self._last: deque[str] = deque(maxlen=LAST_EVENTS)

    def drain(self) -> None:
        """Count what came since the last time."""
        if self._block is None:
            return
        with contextlib.suppress(WorkbenchError):  # torn by the crash that ends the run
            batch = self._block.events(self._cursor)
            self._cursor = batch.cursor
            self._counts.update(batch.counts())
            latest = replace(batch, records=batch.records[-LAST_EVENTS:])
            self._last.extend(str(event) for event in latest)
            if batch.lost:
                self._counts["lost"] += batch.lost

    @property
    def counts(self) -> Mapping[str, int]:
        """By kind; events overwritten before they were read under "lost"."""
        return dict(self._counts)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The latest, one line each, oldest first."""
        return tuple(self._last)
