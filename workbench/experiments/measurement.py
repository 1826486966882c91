"""Measures a run in a fresh process; alone on this host, on warm memory.

A crash, a hang or a lack of memory is a result with a reason, never an error of the caller's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from workbench.errors import NoProcess, WorkbenchError
from workbench.experiments.host_lock import hold_host
from workbench.experiments.result import COMPLETED, Result
from workbench.experiments.telemetry import Tally
from workbench.experiments.warming import choose_warm_bytes, touch_memory
from workbench.processes import Worker, resident_bytes
from workbench.processes.machine import describe_machine, describe_software, find_c_library
from workbench.processes.private_folder import open_private_folder
from workbench.processes.program import run_command
from workbench.processes.runs import Run

# A run is killed when it takes this much longer than it should.
_GRACE_S = 60.0
_STRETCH = 2.0
# Slower than any allocator here on any workload (64 KiB blocks, every page touched: 40,000 a second).
_SLOWEST_OPERATIONS_PER_S = 2_000.0
_CHECKSUM_CHARACTERS = 16  # as many as that of a workload
# A command, or a replay, whose length nobody knows beforehand.
_OPEN_END_TIMEOUT_S = 900.0
# Often enough for a mean, rarely enough to leave the run alone: the same for all that are compared.
_SAMPLES = 25
_SHORTEST_SAMPLE_S, _LONGEST_SAMPLE_S = 0.02, 0.25

#: Told of the worker once it runs, and again with each sample; what it raises ends the run.
Observer = Callable[[Worker], object]


def measure_run(
    run: Run,
    *,
    warm_bytes: int | None = None,
    timeout_s: float | None = None,
    observe: Observer | None = None,
) -> Result:
    """Measure a run to its end; waits until nobody else measures on this host.

    Parameters
    ----------
    run : Run
    warm_bytes : int, optional
        Memory to touch just before, in bytes; chosen without a knowledge of the run by default.
        Something above the peak of an earlier run of the same work is best.
    timeout_s : float, optional
        Kills it after so long; by default what it should take, twice, and a minute.
    observe : callable, optional
        Given the `Worker` at its start and with each sample; not for commands.

    Returns
    -------
    Result
        Also of a run that failed.

    Raises
    ------
    UnknownWorkload, BadParameter, OutOfRange, MissingAllocator, CannotPreload, UnknownTunable,
    ConstraintBroken, StartOnly
        If the run makes no sense here. Nothing has run then.
    """
    identity = run.check().id
    machine, software = describe_machine(), describe_software(run.allocator)
    limit_s = _expect_s(run) if timeout_s is None else timeout_s
    with hold_host():
        load_before = os.getloadavg()[0]
        killed_before = _count_memory_kills()
        started_s = time.time()
        warmed_bytes = touch_memory(choose_warm_bytes(None) if warm_bytes is None else warm_bytes)
        found = _measure_command(run, limit_s) if run.command else _measure_workload(run, limit_s, observe)
        ended_s = time.time()
        if found.status == "crashed" and "SIGKILL" in found.reason and _count_memory_kills() > killed_before:
            found.fail("out of memory", "the system had no memory left and killed it")
        return Result(
            run=run,
            id=identity,
            machine=machine,
            software=software,
            warmed_bytes=warmed_bytes,
            load_before=load_before,
            load_after=os.getloadavg()[0],
            started_s=started_s,
            ended_s=ended_s,
            **vars(found),
        )


class _Measurement:
    """What was measured, under the names of the result."""

    def __init__(self) -> None:
        self.status = COMPLETED
        self.reason = ""
        self.runner_build = ""
        self.allocator_build = ""
        self.operations = 0
        self.elapsed_s = 0.0
        self.operations_per_s = 0.0
        self.processor_s: float | None = None
        self.mean_resident_bytes = 0.0
        self.peak_resident_bytes = 0.0
        self.mean_cached_bytes: float | None = None
        self.peak_cached_bytes: float | None = None
        self.latency_ns: dict[str, float] = {}
        self.telemetry: dict[str, float] = {}
        self.checksum = ""
        self.sample_count = 0

    def fail(self, status: str, reason: str) -> None:
        self.status, self.reason = status, " ".join(reason.split())


def _measure_workload(run: Run, limit_s: float, observe: Observer | None) -> _Measurement:
    found = _Measurement()
    try:
        by_operations = tuple(step for step in run.schedule if step.at_s is None)
        worker = Worker.start(replace(run, schedule=by_operations), is_watched=bool(run.schedule))
    except (WorkbenchError, OSError) as error:
        # The run makes sense: no memory for a process, or a file that is replaced just now.
        found.fail("failed", str(error))
        return found
    with worker:
        found.runner_build = worker.workload_block.info.build
        if worker.allocator_block is not None:
            found.allocator_build = worker.allocator_block.info.build
        _follow(worker, run, limit_s, found, observe)
        outcome = worker.wait(0)
    if outcome.status != COMPLETED:
        found.fail(outcome.status, outcome.message)
    found.operations = outcome.operations
    found.elapsed_s = outcome.elapsed_s
    found.operations_per_s = outcome.operations_per_s
    found.peak_resident_bytes = float(outcome.peak_resident_bytes)
    found.checksum = outcome.checksum
    found.latency_ns = dict(outcome.latency_ns)
    return found


def _follow(worker: Worker, run: Run, limit_s: float, found: _Measurement, observe: Observer | None) -> None:
    """Sample until the end or the limit, and set what the schedule has by time."""
    pending = [step for step in run.schedule if step.at_s is not None]
    length_s = 0.0 if _is_open_ended(run) else run.length_s
    period_s = min(max(length_s / _SAMPLES, _SHORTEST_SAMPLE_S), _LONGEST_SAMPLE_S)
    resident: list[int] = []
    tally = Tally(worker.allocator_block)
    started_s = next_s = time.monotonic()
    while True:
        now_s = time.monotonic()
        while pending and now_s - started_s >= (pending[0].at_s or 0.0):
            step = pending.pop(0)
            with contextlib.suppress(NoProcess):
                assert worker.allocator_block is not None
                worker.allocator_block.set(step.settings)
        if now_s >= next_s:
            next_s = max(next_s + period_s, now_s)
            if observe is not None:
                observe(worker)
            with contextlib.suppress(NoProcess):
                resident.append(resident_bytes(worker.pid))
                tally.sample()
        wait_s = next_s - now_s
        if pending:
            wait_s = min(wait_s, started_s + (pending[0].at_s or 0.0) - now_s)
        if worker.await_end(max(wait_s, 0.0)) is not None or now_s - started_s >= limit_s:
            break
    kept = [sample for sample in resident if sample > 0]
    found.sample_count = len(kept)
    found.mean_resident_bytes = sum(kept) / len(kept) if kept else 0.0
    found.telemetry = tally.finish()
    if tally.cached_bytes:
        found.mean_cached_bytes = sum(tally.cached_bytes) / len(tally.cached_bytes)
        found.peak_cached_bytes = max(tally.cached_bytes)


def _measure_command(run: Run, limit_s: float) -> _Measurement:
    found = _Measurement()
    with open_private_folder("workbench-run-") as private:
        folder = private / "work"
        folder.mkdir()
        for path in run.inputs:
            (folder / path.name).symlink_to(path.resolve())
        try:
            outcome = run_command(
                run.command, run.allocator, run.tunables, folder, limit_s, c_library=find_c_library()
            )
        except (WorkbenchError, OSError) as error:
            found.fail("failed", str(error))
            return found
    if outcome.status != COMPLETED:
        found.fail(outcome.status, outcome.message)
    found.operations = 1
    found.elapsed_s = outcome.elapsed_s
    found.operations_per_s = 1 / outcome.elapsed_s if outcome.elapsed_s > 0 else 0.0
    found.processor_s = outcome.processor_s
    found.checksum = hashlib.sha256(outcome.output_tail.encode()).hexdigest()[:_CHECKSUM_CHARACTERS]
    found.mean_resident_bytes = float(outcome.mean_resident_bytes)
    found.peak_resident_bytes = float(outcome.peak_resident_bytes)
    found.sample_count = outcome.sample_count
    return found


def _expect_s(run: Run) -> float:
    if run.command or _is_open_ended(run):
        return _OPEN_END_TIMEOUT_S
    operations = run.operations or 0
    return _STRETCH * (run.length_s + operations / _SLOWEST_OPERATIONS_PER_S) + _GRACE_S


def _is_open_ended(run: Run) -> bool:
    """Whether it is a replay that takes as long as its loops take."""
    return run.trace is not None and run.seconds is None and run.ends_itself


def _count_memory_kills() -> int:
    """How many processes of this machine were killed for want of memory, since it started."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
