"""What a worker and a run inside this process have in common: control blocks, and what can be asked of it."""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections import Counter, deque
from dataclasses import replace
from typing import Self

from workbench.control import ControlBlock
from workbench.errors import NoProcess, WorkbenchError
from workbench.processes.outcome import Outcome
from workbench.processes.runs import Run

_LAST_EVENTS = 20


class EventTally:
    """Counts the events of one control block, and keeps the last of them as text; used by one thread.

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
        #: By kind; events that were overwritten before they were read stand under "lost".
        self.counts: Counter[str] = Counter()
        self.last_lines: deque[str] = deque(maxlen=_LAST_EVENTS)

    def drain(self) -> None:
        """Count what came since the last time."""
        if self._block is None:
            return
        with contextlib.suppress(WorkbenchError):  # torn by the crash that ends the run
            batch = self._block.events(self._cursor)
            self._cursor = batch.cursor
            self.counts.update(batch.counts())
            latest = replace(batch, records=batch.records[-_LAST_EVENTS:])
            self.last_lines.extend(str(event) for event in latest)
            if batch.lost:
                self.counts["lost"] += batch.lost


class StartedRun(ABC):
    """A run that was started. All methods may be called from any thread; a context manager that ends it.

    Attributes
    ----------
    spec : Run
        What was asked for.
    pid : int
        The process, also after its end.
    workload_block : ControlBlock
        Throughput and run.state. Both control blocks can be read after the end, until `close`.
    allocator_block : ControlBlock or None
        The allocator's own; None for those that have none.
    """

    def __init__(
        self, spec: Run, pid: int, workload_block: ControlBlock, allocator_block: ControlBlock | None
    ) -> None:
        self.spec = spec
        self.pid = pid
        self.workload_block = workload_block
        self.allocator_block = allocator_block
        self._tally = EventTally(allocator_block)
        self._outcome: Outcome | None = None
        self._lock = threading.Lock()

    @abstractmethod
    def poll(self) -> Outcome | None:
        """What came of it; None while it runs."""

    @abstractmethod
    def await_end(self, timeout_s: float | None = None) -> Outcome | None:
        """Wait for the end, at most `timeout_s` seconds; None if it still runs then."""

    @abstractmethod
    def _end(self, reason: str) -> None:
        """End it at once, if it has not ended."""

    def pause(self) -> None:
        """Let every thread stand still."""
        self._set_state("paused")

    def resume(self) -> None:
        """Go on after a pause."""
        self._set_state("running")

    def stop(self) -> None:
        """Ask the run to end. Returns at once."""
        self._set_state("stopping")

    def kill(self) -> None:
        """End it at once. Does nothing if it has ended."""
        self._end("stopped")

    def wait(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end; after `timeout_s` seconds it is ended."""
        outcome = self.await_end(timeout_s)
        if outcome is None:
            self._end("timed out")
            outcome = self.await_end()
        assert outcome is not None
        return outcome

    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return min(1.0, max(0.0, self.workload_block.snapshot().value("workload.progress")))

    def close(self) -> None:
        """End the run if it still goes on, and close the control blocks."""
        self.kill()
        self.await_end()
        self.workload_block.close()
        if self.allocator_block is not None:
            self.allocator_block.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set_state(self, state: str) -> None:
        # It may end between the caller's look and the set: then there is nothing left to ask for.
        with contextlib.suppress(NoProcess):
            self.workload_block.set({"run.state": state})

    def _look_back(self) -> Outcome:
        """What the control blocks tell of the run once it has ended."""
        with contextlib.suppress(Exception):  # said already, where it is what failed
            self._tally.drain()
        seen = Outcome("", events=dict(self._tally.counts), last_events=tuple(self._tally.last_lines))
        with contextlib.suppress(WorkbenchError):
            snapshot = self.workload_block.snapshot()
            operations, elapsed_ms = (
                snapshot.fold(f"workload.{name}") for name in ("operations", "elapsed_ms")
            )
            seen = replace(seen, operations=int(operations), elapsed_s=elapsed_ms / 1e3)
        if self.allocator_block is not None:
            with contextlib.suppress(WorkbenchError):
                seen = replace(seen, effective=self.allocator_block.effective().values)
        return seen
