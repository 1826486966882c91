"""A measured run: the runner in a process of its own, watched until its end."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

from workbench.allocators import LATENCY_RUNNER, RUNNER, Allocator, get_allocator
from workbench.control import ControlBlock
from workbench.errors import BadParameter, NoProcess, WorkbenchError, WorkerFailed
from workbench.processes.events import EventTally
from workbench.processes.launcher import spawn
from workbench.processes.memory import peak_resident_bytes
from workbench.processes.outcome import Outcome
from workbench.processes.report import Observation, read_outcome, read_progress
from workbench.processes.runs import ResolvedRun, Run

_WATCH_S = 0.2  # how often events are drained, before the ring overwrites them
_READY_S = 120.0  # to prepare the blocks of the largest parameters
_STOP_GRACE_S = 5.0
_TAIL_BYTES = 65536  # room for a report with histograms
_READ_BYTES = 65536
_PATH_BYTES = 4096


class Worker:
    """One run in a process that cannot harm this one, and does not outlive it.

    Made by `start`. A thread watches the process until its end; all methods may be called from any
    thread. As a context manager it kills what still runs and closes the blocks.
    """

    def __init__(
        self,
        spec: Run,
        process: subprocess.Popen[bytes],
        workload_block: ControlBlock,
        allocator_block: ControlBlock | None,
    ) -> None:
        self._spec = spec
        self._process = process
        self._workload_block = workload_block
        self._allocator_block = allocator_block
        self._tally = EventTally(allocator_block)
        self._reason: str | None = None  # why this side ended it
        self._kill_at: float | None = None
        self._outcome: Outcome | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
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
            Whether somebody may look into the allocator's block, or set there. If nobody does, an allocator
            that has none of its own runs without the agent, as it did before there was one.

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
        try:
            try:
                process = spawn(
                    [*_arguments(resolved, allocator), "--ready-descriptor", str(write_end)],
                    environment,
                    pass_fds=[write_end],
                    runner=LATENCY_RUNNER if spec.samples_latency else RUNNER,
                )
            finally:
                os.close(write_end)
            path = _read_path(read_end)
        finally:
            os.close(read_end)
        if path is None:
            raise _explain_failed_start(spec, process)
        workload_block, allocator_block = _open_blocks(process, path, allocator.kind)
        worker = cls(spec, process, workload_block, allocator_block)
        if not paused:
            worker.resume()
        return worker

    @property
    def spec(self) -> Run:
        """What was asked for."""
        return self._spec

    @property
    def pid(self) -> int:
        """Pid of the process, also after its end."""
        return self._process.pid

    @property
    def workload_block(self) -> ControlBlock:
        """Throughput and run.state; readable after the end until `close`."""
        return self._workload_block

    @property
    def allocator_block(self) -> ControlBlock | None:
        """The allocator's own; None for those that have none. Readable after the end until `close`."""
        return self._allocator_block

    def pause(self) -> None:
        """Let every thread stand still."""
        self._set_state("paused")

    def resume(self) -> None:
        """Go on after a pause."""
        self._set_state("running")

    def stop(self, grace_s: float = _STOP_GRACE_S) -> None:
        """Ask the run to end; it is killed if it has not after `grace_s` seconds. Returns at once."""
        with self._lock:
            self._reason = self._reason or "stopped"
            self._kill_at = time.monotonic() + grace_s
        self._set_state("stopping")

    def kill(self) -> None:
        """End it at once. Does nothing if it has ended."""
        self._end("stopped")

    def poll(self) -> Outcome | None:
        """What came of it; None while it runs."""
        return self._outcome if self._ended.is_set() else None

    def await_end(self, timeout_s: float | None = None) -> Outcome | None:
        """Wait for the end, at most `timeout_s` seconds; None if it still runs then."""
        self._ended.wait(timeout_s)
        return self.poll()

    def wait(self, timeout_s: float | None = None) -> Outcome:
        """Wait for the end; after `timeout_s` seconds it is killed, and the outcome is "timed out"."""
        outcome = self.await_end(timeout_s)
        if outcome is None:
            self._end("timed out")
            self._ended.wait()
            outcome = self._outcome
        assert outcome is not None
        return outcome

    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        return read_progress(self._workload_block)

    def close(self) -> None:
        """End the run if it still goes on, and close the blocks."""
        self.kill()
        self._watcher.join()
        self._workload_block.close()
        if self._allocator_block is not None:
            self._allocator_block.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set_state(self, state: str) -> None:
        # It may end between the caller's look and the set: then there is nothing left to ask for.
        with contextlib.suppress(NoProcess):
            self._workload_block.set({"run.state": state})

    def _end(self, reason: str) -> None:
        with self._lock:
            if self._process.returncode is None:
                self._reason = self._reason or reason
                # The watcher alone reaps, under this lock: the number still is our child's.
                os.kill(self._process.pid, signal.SIGKILL)

    # --- the watching thread ---

    def _watch(self) -> None:
        observation = Observation()
        try:
            self._follow(observation)
        except Exception as error:
            # Whoever waits for the outcome must get one, or would wait for ever.
            observation.failure = f"the workbench could not watch it: {error!r}"
            self._end("stopped")
        self._conclude(observation)

    def _follow(self, observation: Observation) -> None:
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        with (
            self._process.stdout as output,
            self._process.stderr as complaints,
            selectors.DefaultSelector() as selector,
        ):
            os.set_blocking(output.fileno(), False)
            os.set_blocking(complaints.fileno(), False)
            process_end = os.pidfd_open(self._process.pid)
            try:
                selector.register(process_end, selectors.EVENT_READ)
                selector.register(output, selectors.EVENT_READ)
                selector.register(complaints, selectors.EVENT_READ)
                is_over = False
                while not is_over:
                    ready = {key.fd for key, _ in selector.select(_WATCH_S)}
                    is_over = process_end in ready
                    for stream in (output, complaints):
                        if stream.fileno() in ready and not _drain(stream, observation, stream is output):
                            selector.unregister(stream)
                    self._look(observation)
                # What it wrote just before the end.
                _drain(output, observation, True)
                _drain(complaints, observation, False)
            finally:
                os.close(process_end)

    def _look(self, observation: Observation) -> None:
        self._tally.drain()
        with contextlib.suppress(NoProcess):
            observation.peak_resident_bytes = (
                peak_resident_bytes(self._process.pid) or observation.peak_resident_bytes
            )
        with self._lock:
            is_overdue = self._kill_at is not None and time.monotonic() >= self._kill_at
        if is_overdue:
            self._end("stopped")

    def _conclude(self, observation: Observation) -> None:
        with self._lock:
            observation.return_code = self._process.wait()
            observation.reason = self._reason
        with contextlib.suppress(Exception):  # said already, where it is what failed
            self._tally.drain()
        observation.events = self._tally.counts
        observation.last_events = self._tally.last_lines
        with contextlib.suppress(WorkbenchError):
            snapshot = self._workload_block.snapshot()
            observation.operations = int(snapshot.fold("workload.operations"))
            observation.elapsed_s = snapshot.fold("workload.elapsed_ms") / 1e3
        if self._allocator_block is not None:
            with contextlib.suppress(WorkbenchError):
                observation.effective = self._allocator_block.effective().values
        _remove_blocks(self._workload_block, self._allocator_block)
        self._outcome = read_outcome(observation)
        self._ended.set()


def run(spec: Run, timeout_s: float | None = None) -> Outcome:
    """Run to the end in a worker process; a crash or a timeout is an outcome, not an error.

    Parameters
    ----------
    spec : Run
    timeout_s : float, optional
        Kills it after so long.

    Raises
    ------
    UnknownWorkload, BadParameter, OutOfRange, MissingAllocator, UnknownTunable, WorkerFailed
        As `Worker.start`.
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
        values = ((name, allocator.tunables[name].to_word(value)) for name, value in step.settings.items())
        words += [
            "--change",
            f"{step.at_operations}:{','.join(f'{name}={word:.17g}' for name, word in values)}",
        ]
    return words


def _read_path(descriptor: int) -> Path | None:
    """The path the runner writes when ready; None if it ends, or takes too long, before that."""
    text = b""
    deadline = time.monotonic() + _READY_S
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while not text.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return None
            piece = os.read(descriptor, _PATH_BYTES)
            if not piece:
                return None
            text += piece
    return Path(text.decode().rstrip("\n"))


def _explain_failed_start(spec: Run, process: subprocess.Popen[bytes]) -> WorkerFailed:
    process.kill()
    output, complaints = process.communicate()
    observation = Observation(output=output, complaints=complaints[-_TAIL_BYTES:])
    observation.return_code = process.returncode
    outcome = read_outcome(observation)
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


def _drain(stream: IO[bytes], observation: Observation, is_output: bool) -> bool:
    """Take what is there; false at the end of the stream."""
    while True:
        try:
            piece = os.read(stream.fileno(), _READ_BYTES)
        except BlockingIOError:
            return True
        if not piece:
            return False
        if is_output:
            observation.output = (observation.output + piece)[-_TAIL_BYTES:]
        else:
            observation.complaints = (observation.complaints + piece)[-_TAIL_BYTES:]


def _remove_blocks(*blocks: ControlBlock | None) -> None:
    """A process that was killed leaves its files; they are read, so they can go."""
    for block in blocks:
        if block is not None:
            block.info.path.unlink(missing_ok=True)
