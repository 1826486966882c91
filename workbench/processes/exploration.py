"""A workload inside this process, on the allocator in the cffi module. For exploring only.

It shares the process with the interpreter, and a crash is a crash of both; a measured run is a
`Worker`. Damage that the allocator notices is refused and counted instead of ending the process.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from workbench.allocators import rows
from workbench.bindings.workloads import (
    ResultRecord,
    path_in_process,
    poll_in_process,
    start_in_process,
    stop_in_process,
)
from workbench.control import ControlBlock
from workbench.errors import BadParameter, NoProcess, WorkerFailed
from workbench.processes.events import EventTally
from workbench.processes.outcome import Outcome
from workbench.processes.report import read_progress
from workbench.processes.runs import Run

_POLL_S = 0.01


class InProcessRun:
    """One run in this process; has the methods of `Worker`. One at a time.

    Made by `start`.
    """

    exploratory = True

    def __init__(self, spec: Run, workload_block: ControlBlock, allocator_block: ControlBlock) -> None:
        self._spec = spec
        self._workload_block = workload_block
        self._allocator_block = allocator_block
        self._tally = EventTally(allocator_block)
        self._outcome: Outcome | None = None
        self._lock = threading.Lock()

    @classmethod
    def start(cls, spec: Run, *, paused: bool = False) -> InProcessRun:
        """Start a run; returns once its control blocks are open.

        Live tunables get the values of `spec.tunables`, else those of the table's row, else their defaults.

        Raises
        ------
        UnknownWorkload, BadParameter, OutOfRange, UnknownTunable, ConstraintBroken, StartOnly
            If the specification cannot be run in a process that runs already.
        WorkerFailed
            If another run goes on in this process.
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
            refusal = start_in_process(
                spec.workload,
                list(resolved.parameters.values()),
                threads=resolved.threads,
                seed=spec.seed,
                seconds=spec.length_s,
                operations=spec.operations or 0,
                starts_paused=True,  # so that even the shortest run is still there when its block is opened
            )
            if refusal:
                raise WorkerFailed(refusal)
            path = Path(path_in_process())
            run = cls(spec, ControlBlock.open(path, kind="workload"), allocator_block)
            if not paused:
                run.resume()
            return run
        except BaseException:
            allocator_block.close()
            raise

    @property
    def spec(self) -> Run:
        """What was asked for."""
        return self._spec

    @property
    def pid(self) -> int:
        """Pid of this process."""
        return os.getpid()

    @property
    def workload_block(self) -> ControlBlock:
        """Throughput and run.state."""
        return self._workload_block

    @property
    def allocator_block(self) -> ControlBlock:
        """Control block of the allocator in this process."""
        return self._allocator_block

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
        """Stop it and wait: threads of this process cannot be killed."""
        if self.poll() is None:
            stop_in_process()

    def poll(self) -> Outcome | None:
        """What came of it; None while it runs."""
        with self._lock:
            if self._outcome is None:
                self._tally.drain()
                result = poll_in_process()
                if result is not None:
                    self._tally.drain()
                    self._outcome = self._read(result)
            return self._outcome

    def await_end(self, timeout_s: float | None = None) -> Outcome | None:
        """Wait for the end, at most `timeout_s` seconds; None if it still runs then."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (outcome := self.poll()) is None:
            if deadline is not None and time.monotonic() >= deadline:
                return None
            time.sleep(_POLL_S)
        return outcome

    def wait(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end; after `timeout_s` seconds it is stopped."""
        outcome = self.await_end(timeout_s)
        if outcome is None:
            self.kill()
            outcome = self.await_end()
        assert outcome is not None
        return outcome

    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return read_progress(self._workload_block)

    def close(self) -> None:
        """Stop it if it still runs, and close the blocks."""
        self.kill()
        self.poll()
        self._workload_block.close()
        self._allocator_block.close()

    def __enter__(self) -> InProcessRun:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set_state(self, state: str) -> None:
        with contextlib.suppress(NoProcess):
            self._workload_block.set({"run.state": state})

    def _read(self, told: ResultRecord) -> Outcome:
        return Outcome(
            status=told.status_name,
            message=told.error,
            exit_code=None,
            operations=told.operations,
            elapsed_s=told.elapsed_s,
            operations_per_s=told.operations / told.elapsed_s if told.elapsed_s > 0 else 0.0,
            peak_resident_bytes=told.peak_resident_bytes,
            checksum=f"{told.checksum:016x}",
            events=self._tally.counts,
            last_events=self._tally.last_lines,
            effective=self._allocator_block.effective().values,
        )
