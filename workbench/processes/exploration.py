"""A workload inside this process, on the allocator in the cffi module. For exploring only.

It shares the process with the interpreter, and a crash is a crash of both; a measured run is a
`Worker`. Damage that the allocator notices is refused and counted instead of ending the process.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from workbench.allocators import rows
from workbench.bindings.workloads import (
    path_in_process,
    poll_in_process,
    start_in_process,
    stop_in_process,
)
from workbench.control import ControlBlock
from workbench.errors import BadParameter, WorkerFailed
from workbench.processes.outcome import Outcome
from workbench.processes.running import StartedRun
from workbench.processes.runs import Run

_POLL_S = 0.01


class InProcessRun(StartedRun):
    """One run in this process, one at a time. Made by `start`."""

    allocator_block: ControlBlock  # there always is one

    @classmethod
    def start(cls, spec: Run, *, paused: bool = False) -> InProcessRun:
        """Start a run; returns once its control blocks are open.

        Live tunables get the values of `spec.tunables`, else those of the table's row, else their defaults.
        Errors are those of `Worker.start`, BadParameter or StartOnly for what cannot be run in a process that
        runs already, and WorkerFailed if another run goes on in it.
        """
        resolved = spec.resolve()
        own = next(row for row in rows() if row.in_process)
        for is_asked, refused in (
            (spec.allocator != own.in_process, f"there is {own.in_process} only, not {spec.allocator}"),
            (spec.command, "no command is run"),
            (spec.schedule, "nothing is set by a schedule"),
            (spec.trace is not None, "no trace is replayed"),
            (spec.samples_latency, "calls are not timed"),
        ):
            if is_asked:
                raise BadParameter(f"in this process {refused}; use a worker")
        allocator_block = ControlBlock.own()
        try:
            defaults = {
                name: tunable.default
                for name, tunable in allocator_block.tunables.items()
                if tunable.effect != "start"
            }
            allocator_block.set({**defaults, **own.settings, **spec.tunables})
            # It is paused, so that even the shortest run is still there when its block is opened.
            refusal = start_in_process(
                spec.workload,
                list(resolved.parameters.values()),
                threads=resolved.threads,
                seed=spec.seed,
                seconds=spec.length_s,
                operations=spec.operations or 0,
            )
            if refusal:
                raise WorkerFailed(refusal)
            path = Path(path_in_process())
            run = cls(spec, os.getpid(), ControlBlock.open(path), allocator_block)
            if not paused:
                run.resume()
            return run
        except BaseException:
            allocator_block.close()
            raise

    def poll(self) -> Outcome | None:
        """What came of it; None while it runs."""
        with self._lock:
            if self._outcome is None:
                self._tally.drain()
                result = poll_in_process()
                if result is not None:
                    self._outcome = replace(
                        self._look_back(),
                        status=result.status_name,
                        message=result.error,
                        operations=result.operations,
                        elapsed_s=result.elapsed_s,
                        peak_resident_bytes=result.peak_resident_bytes,
                        checksum=f"{result.checksum:016x}",
                    )
            return self._outcome

    def await_end(self, timeout_s: float | None = None) -> Outcome | None:
        """Wait for the end, at most `timeout_s` seconds; None if it still runs then."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (outcome := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_S)
        return outcome

    def _end(self, reason: str) -> None:  # noqa: ARG002 (threads of this process can only be stopped)
        if self.poll() is None:
            stop_in_process()
