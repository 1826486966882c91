"""A measured run: the runner in a process of its own, watched until its end."""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import IO

from workbench.allocators import LATENCY_RUNNER, RUNNER, Allocator, get_allocator, read_line
from workbench.control import Action, ControlBlock, Tunable
from workbench.errors import BadParameter, NoProcess, WorkerFailed
from workbench.processes.launcher import spawn
from workbench.processes.memory import peak_resident_bytes
from workbench.processes.outcome import Outcome, read_outcome
from workbench.processes.running import StartedRun
from workbench.processes.runs import ResolvedRun, Run

_WATCH_S = 0.2  # how often events are drained, before the ring overwrites them
_READY_S = 120.0  # to prepare the blocks of the largest parameters
_STOP_GRACE_S = 5.0
_TAIL_BYTES = 65536  # room for a report with histograms
_READ_BYTES = 65536


class Worker(StartedRun):
    """One run in a process that cannot harm this one, and does not outlive it.

    Made by `start`. A thread watches the process until its end.
    """

    def __init__(
        self,
        spec: Run,
        process: subprocess.Popen[bytes],
        workload_block: ControlBlock,
        allocator_block: ControlBlock | None,
    ) -> None:
        super().__init__(spec, process.pid, workload_block, allocator_block)
        self._process = process
        self._output, self._complaints = _Tail(process.stdout), _Tail(process.stderr)
        self._peak_resident_bytes = 0
        self._reason = ""  # why this side ended it
        self._kill_at = math.inf
        self._ended = threading.Event()
        self._watcher = threading.Thread(
            target=self._watch, name=f"workbench-worker-{process.pid}", daemon=True
        )
        self._watcher.start()

    @classmethod
    def start(cls, spec: Run, *, paused: bool = False, is_watched: bool = True) -> Worker:
        """Start a run; returns once its control blocks are open.

        Parameters
        ----------
        spec : Run
            A run of a workload, without steps at seconds, which the measuring process carries out.
        paused : bool
            Whether it waits for `resume`.
        is_watched : bool
            Whether somebody may look into the allocator's control block, or set there. If nobody does,
            an allocator that has none of its own runs without the agent, as it did before there was one.

        Raises
        ------
        UnknownWorkload, BadParameter, OutOfRange, MissingAllocator, UnknownTunable, ConstraintBroken
            If the specification cannot be run.
        WorkerFailed
            If the process ends before it is ready, with what it said.
        """
        resolved = spec.resolve()
        if spec.command:
            raise BadParameter(f"{spec.workload} is a command, not a workload of the catalogue")
        allocator = get_allocator(spec.allocator)
        environment = allocator.run_environment(spec.tunables, has_block=is_watched or bool(spec.schedule))
        read_end, write_end = os.pipe()
        with os.fdopen(read_end, "rb"):
            try:
                process = spawn(
                    [*_arguments(resolved, allocator), "--ready-descriptor", str(write_end)],
                    environment,
                    pass_fds=[write_end],
                    runner=LATENCY_RUNNER if spec.samples_latency else RUNNER,
                )
            finally:
                os.close(write_end)
            path = read_line(read_end, _READY_S)
        if not path.endswith("\n"):
            raise _explain_failed_start(spec, process)
        workload_block, allocator_block = _open_blocks(process, Path(path.rstrip("\n")), allocator.kind)
        worker = cls(spec, process, workload_block, allocator_block)
        if not paused:
            worker.resume()
        return worker

    def stop(self, grace_s: float = _STOP_GRACE_S) -> None:
        """Ask the run to end; it is killed if it has not after `grace_s` seconds. Returns at once."""
        with self._lock:
            self._reason = self._reason or "stopped"
            self._kill_at = time.monotonic() + grace_s
        super().stop()

    def poll(self) -> Outcome | None:
        """What came of it; None while it runs."""
        return self._outcome if self._ended.is_set() else None

    def await_end(self, timeout_s: float | None = None) -> Outcome | None:
        """Wait for the end, at most `timeout_s` seconds; None if it still runs then."""
        self._ended.wait(timeout_s)
        return self.poll()

    def close(self) -> None:
        """End the run if it still goes on, and close the control blocks."""
        super().close()
        self._watcher.join()

    def _end(self, reason: str) -> None:
        with self._lock:
            if self._process.returncode is None:
                self._reason = self._reason or reason
                # The watcher alone reaps, under this lock: the number still is our child's.
                os.kill(self.pid, signal.SIGKILL)

    # --- the watching thread ---

    def _watch(self) -> None:
        failure = ""
        try:
            self._follow()
        except Exception as error:
            # Whoever waits for the outcome must get one, or would wait for ever.
            failure = f"the workbench could not watch it: {error!r}"
            self._end("stopped")
        with self._lock:
            code, reason = self._process.wait(), self._reason
        output, complaints = self._output.close(), self._complaints.close()
        seen = replace(self._look_back(), peak_resident_bytes=self._peak_resident_bytes)
        for block in (self.workload_block, self.allocator_block):
            if block is not None:  # a process that was killed leaves its files; they are read, so they can go
                block.info.path.unlink(missing_ok=True)
        self._outcome = read_outcome(output, complaints, code, reason=reason, failure=failure, seen=seen)
        self._ended.set()

    def _follow(self) -> None:
        with os.fdopen(os.pidfd_open(self.pid), "rb") as process_end, selectors.DefaultSelector() as selector:
            selector.register(process_end, selectors.EVENT_READ)
            for tail in (self._output, self._complaints):
                selector.register(tail.stream, selectors.EVENT_READ, tail)
            is_over = False
            while not is_over:
                for key, _ in selector.select(_WATCH_S):
                    if key.data is None:
                        is_over = True
                    elif not key.data.drain():
                        selector.unregister(key.fileobj)
                self._look()

    def _look(self) -> None:
        self._tally.drain()
        with contextlib.suppress(NoProcess):
            self._peak_resident_bytes = peak_resident_bytes(self.pid) or self._peak_resident_bytes
        with self._lock:
            is_overdue = time.monotonic() >= self._kill_at
        if is_overdue:
            self._end("stopped")


class _Tail:
    """The last of what a process writes into a pipe."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        os.set_blocking(stream.fileno(), False)
        self.stream = stream
        self._text = b""

    def drain(self) -> bool:
        """Take what is there; false at the end of the stream."""
        while True:
            try:
                piece = os.read(self.stream.fileno(), _READ_BYTES)
            except BlockingIOError:
                return True
            if not piece:
                return False
            self._text = (self._text + piece)[-_TAIL_BYTES:]

    def close(self) -> bytes:
        """Take what was written just before the end; returns what is kept."""
        with self.stream:
            self.drain()
        return self._text


def run(spec: Run, timeout_s: float | None = None) -> Outcome:
    """Run to the end in a worker process, or until it is killed after `timeout_s` seconds.

    A crash or a timeout is an outcome, not an error; errors are those of `Worker.start`.
    """
    with Worker.start(spec) as worker:
        return worker.wait(timeout_s)


def _arguments(resolved: ResolvedRun, allocator: Allocator) -> list[str]:
    spec = resolved.run
    # It always starts paused: a short run could end, and take its blocks along, before they are open.
    words = ["--paused", "--workload", spec.workload]
    words += ["--threads", str(resolved.threads), "--seed", str(spec.seed)]
    for name, value in resolved.parameters.items():
        words += ["--param", f"{name}={value:.0f}"]
    if spec.operations is not None:
        words += ["--operations", str(spec.operations)]
    else:
        words += ["--seconds", repr(spec.length_s)]
    if resolved.plan is not None:
        words += ["--trace-plan", str(resolved.plan.path)]
    if spec.schedule:
        words += ["--kind", allocator.kind]
    for step in spec.schedule:
        if step.at_operations is None:
            raise BadParameter("schedule: only a measured run takes up settings at_s; give at_operations")
        known: dict[str, Tunable | Action] = {**allocator.tunables, **allocator.actions}
        values = ((name, known[name].to_word(value)) for name, value in step.settings.items())
        words += [
            "--change",
            f"{step.at_operations}:{','.join(f'{name}={word:.17g}' for name, word in values)}",
        ]
    return words


def _explain_failed_start(spec: Run, process: subprocess.Popen[bytes]) -> WorkerFailed:
    process.kill()
    output, complaints = process.communicate()
    outcome = read_outcome(output, complaints[-_TAIL_BYTES:], process.returncode)
    return WorkerFailed(f"{spec.workload} under {spec.allocator} did not start: {outcome.message}")


def _open_blocks(
    process: subprocess.Popen[bytes], path: Path, kind: str
) -> tuple[ControlBlock, ControlBlock | None]:
    try:
        workload_block = ControlBlock.open(path)
        if not kind or not (allocator_path := path.with_suffix(f".{kind}")).exists():
            return workload_block, None
        return workload_block, ControlBlock.open(allocator_path)
    except BaseException:
        process.kill()
        process.communicate()
        raise
