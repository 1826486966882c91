"""Measures a run in a fresh process; alone on this host, on warm memory.

A crash, a hang or a lack of memory is a result with a reason, never an error of the caller's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec

from workbench.errors import BadParameter, NoProcess, WorkbenchError
from workbench.experiments.host import choose_warm_bytes, hold_host, touch_memory
from workbench.experiments.result import COMPLETED, ELAPSED, PAGE_FAULTS, Result
from workbench.experiments.samples import Samples
from workbench.processes import Worker
from workbench.processes.command import open_folder, run_command
from workbench.processes.machine import describe_machine, describe_software, find_c_library
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
        Memory to touch just before; best above the peak of an earlier run of the same work.
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
    begun = Result(run, run.check().id, COMPLETED, describe_machine(), describe_software(run.allocator))
    limit_s = _expect_s(run) if timeout_s is None else timeout_s
    with hold_host():
        load_before = os.getloadavg()[0]
        killed_before = _count_memory_kills()
        started_s = time.time()
        warmed_bytes = touch_memory(choose_warm_bytes() if warm_bytes is None else warm_bytes)
        result = _measure_command(begun, limit_s) if run.command else _measure_work(begun, limit_s, observe)
        ended_s = time.time()
        was_killed = result.status == "crashed" and "SIGKILL" in result.reason
        if was_killed and _count_memory_kills() > killed_before:
            result = _end(result, "out of memory", "the system had no memory left and killed it")
        return replace(
            result,
            warmed_bytes=warmed_bytes,
            load_before=load_before,
            load_after=os.getloadavg()[0],
            started_s=started_s,
            ended_s=ended_s,
        )


def _end(result: Result, status: str, reason: str) -> Result:
    return replace(result, status=status, reason=" ".join(reason.split()))


def _measure_work(result: Result, limit_s: float, observe: Observer | None) -> Result:
    run = result.run
    try:
        steps = tuple(step for step in run.schedule if step.at_s is None)
        by_operations = msgspec.structs.replace(run, schedule=steps)
        worker = Worker.start(by_operations, is_watched=bool(run.schedule))
    except (WorkbenchError, OSError) as error:
        # The run makes sense: no memory for a process, or a file that is replaced just now.
        return _end(result, "failed", str(error))
    with worker:
        block = worker.allocator_block
        samples = _follow(worker, run, limit_s, observe)
        outcome = worker.wait(0)
        return replace(
            _end(result, outcome.status, outcome.message),
            runner_build=worker.workload_block.info.build,
            allocator_build="" if block is None else block.info.build,
            operations=outcome.operations,
            elapsed_s=outcome.elapsed_s,
            operations_per_s=outcome.operations_per_s,
            peak_resident_bytes=float(outcome.peak_resident_bytes),
            checksum=outcome.checksum,
            latency_ns=dict(outcome.latency_ns),
            telemetry=samples.telemetry,
            sample_count=len(samples.resident_bytes),
            mean_resident_bytes=_mean(samples.resident_bytes) or 0.0,
            mean_cached_bytes=_mean(samples.cached_bytes),
            peak_cached_bytes=max(samples.cached_bytes, default=None),
        )


def _follow(worker: Worker, run: Run, limit_s: float, observe: Observer | None) -> Samples:
    """Sample until the end or the limit, and set what the schedule has by time."""
    pending = [step for step in run.schedule if step.at_s is not None]
    length_s = 0.0 if _is_open_ended(run) else run.length_s
    period_s = min(max(length_s / _SAMPLES, _SHORTEST_SAMPLE_S), _LONGEST_SAMPLE_S)
    samples = Samples(worker)
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
            samples.take()
        wait_s = next_s - now_s
        if pending:
            wait_s = min(wait_s, started_s + (pending[0].at_s or 0.0) - now_s)
        if worker.await_end(max(wait_s, 0.0)) is not None or now_s - started_s >= limit_s:
            samples.finish()
            return samples


def _measure_command(result: Result, limit_s: float) -> Result:
    run = result.run
    with open_folder(run) as folder:
        try:
            outcome = run_command(run, folder, limit_s, find_c_library())
        except (WorkbenchError, OSError) as error:
            return _end(result, "failed", str(error))
    status, reason = outcome.status, outcome.message
    if run.ignores_failure and outcome.exit_code:
        status, reason = COMPLETED, ""
    figures = {ELAPSED: outcome.elapsed_s, PAGE_FAULTS: float(outcome.page_faults)}
    if status == COMPLETED:
        try:
            figures |= {
                figure.name: figure.read(outcome.output_tail, outcome.probed) for figure in run.figures
            }
        except BadParameter as error:
            status, reason = "failed", str(error)
    return replace(
        _end(result, status, reason),
        figures=figures,
        operations=1,
        elapsed_s=outcome.elapsed_s,
        operations_per_s=1 / outcome.elapsed_s if outcome.elapsed_s > 0 else 0.0,
        processor_s=outcome.processor_s,
        checksum=hashlib.sha256(outcome.output_tail.encode()).hexdigest()[:_CHECKSUM_CHARACTERS],
        mean_resident_bytes=float(outcome.mean_resident_bytes),
        peak_resident_bytes=float(outcome.peak_resident_bytes),
        sample_count=outcome.sample_count,
    )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _expect_s(run: Run) -> float:
    if run.command or _is_open_ended(run):
        return run.timeout_s or _OPEN_END_TIMEOUT_S
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
