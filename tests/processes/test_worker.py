"""A worker: watched, paused, resumed, stopped, killed, and what is said of it afterwards."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from workbench.allocators import Allocator
from workbench.control import Value
from workbench.errors import (
    BadParameter,
    ConstraintBroken,
    MissingAllocator,
    OutOfRange,
    UnknownTunable,
    UnknownWorkload,
    WorkbenchError,
    WorkerFailed,
)
from workbench.processes import Outcome, Run, Worker, peak_resident_bytes, resident_bytes, run
from workbench.processes.running import EventTally

CAP_S = 180.0  # for what should take milliseconds, on a busy machine
ENDLESS_S = 3600.0
LONG = Run("random_mixed", threads=2, seconds=ENDLESS_S)
LONG_GLIBC = Run("random_mixed", threads=2, seconds=ENDLESS_S, allocator="glibc")


def poll_until(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + CAP_S
    while not is_true():
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.005)


def count_operations(worker: Worker) -> int:
    return int(worker.workload_block.snapshot().fold("workload.operations"))


def does_every_thread_work(worker: Worker) -> bool:
    return bool((worker.workload_block.snapshot().values["workload.operations"] > 0).all())


def is_effective(worker: Worker, state: str) -> bool:
    settings = worker.workload_block.effective()
    # The generation too: an earlier pause may still stand there.
    is_latest = settings.generation == worker.workload_block.requested().generation
    return is_latest and settings.values["run.state"] == state


def wait(worker: Worker) -> Outcome:
    outcome = worker.await_end(CAP_S)
    assert outcome is not None, "the worker did not end"
    return outcome


def test_throughput_is_published_for_each_thread() -> None:
    with Worker.start(LONG_GLIBC) as worker:
        assert worker.allocator_block is not None
        assert worker.allocator_block.info.kind == "glibc"
        poll_until(lambda: does_every_thread_work(worker), "work of both threads")
        snapshot = worker.workload_block.snapshot()
        assert len(snapshot.values["workload.operations"]) == 2
        first, second = (int(number) for number in snapshot.values["workload.thread_id"])
        assert first != second
        assert {first, second} <= {thread.id for thread in psutil.Process(worker.pid).threads()}


def test_pause_and_resume() -> None:
    with Worker.start(LONG) as worker:
        poll_until(lambda: count_operations(worker) > 0, "work")
        worker.pause()
        poll_until(lambda: is_effective(worker, "paused"), "the pause")
        paused_at = count_operations(worker)
        elapsed_ms = worker.workload_block.snapshot().fold("workload.elapsed_ms")
        time.sleep(0.05)
        assert count_operations(worker) == paused_at
        assert worker.workload_block.snapshot().fold("workload.elapsed_ms") <= elapsed_ms + 20
        worker.resume()
        poll_until(lambda: is_effective(worker, "running"), "the resumption")
        poll_until(lambda: count_operations(worker) > paused_at, "more work")
        assert worker.poll() is None


def test_stop_reports_what_was_done() -> None:
    with Worker.start(LONG) as worker:
        poll_until(lambda: count_operations(worker) > 0, "work")
        worker.stop()
        outcome = wait(worker)
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("stopped", 0, None)
    assert outcome.operations > 0
    assert outcome.checksum
    assert outcome.elapsed_s > 0


def test_a_paused_worker_can_be_stopped() -> None:
    with Worker.start(Run("larson", seconds=ENDLESS_S, allocator="glibc"), paused=True) as worker:
        poll_until(lambda: is_effective(worker, "paused"), "the pause")
        assert count_operations(worker) == 0
        worker.stop()
        assert wait(worker).status == "stopped"


def test_a_pause_does_not_change_the_requests() -> None:
    spec = Run("larson", {"rounds": 1.0}, threads=2, operations=2_000_000, allocator="glibc")
    with Worker.start(spec) as worker:
        worker.pause()
        poll_until(
            lambda: worker.poll() is not None or is_effective(worker, "paused"), "the pause, or the end"
        )
        worker.resume()
        interrupted = wait(worker)
    assert interrupted.status == "completed"
    assert interrupted.checksum == run(spec).checksum


def test_progress_goes_from_0_to_1() -> None:
    spec = Run("random_mixed", operations=1000, allocator="glibc")
    with Worker.start(spec) as worker:
        assert worker.progress() == 0.0
        worker.resume()
        assert wait(worker).status == "completed"
        assert worker.progress() == 1.0


@pytest.mark.parametrize("spec", [LONG, LONG_GLIBC], ids=["hakmem", "glibc"])
@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT", "SIGBUS"])
def test_a_crash_is_an_outcome(spec: Run, name: str) -> None:
    with Worker.start(spec) as worker:
        poll_until(lambda: does_every_thread_work(worker), "work of both threads")
        files = [block.info.path for block in (worker.workload_block, worker.allocator_block) if block]
        os.kill(worker.pid, signal.Signals[name])
        outcome = wait(worker)
        assert (outcome.status, outcome.signal, outcome.exit_code) == ("crashed", name, None)
        assert ("dmesg" in outcome.message) == (name == "SIGKILL")
        assert name in outcome.message
        assert outcome.operations > 0
        assert outcome.elapsed_s >= 0
        assert not [path for path in files if path.exists()]
        assert worker.allocator_block is not None
        if spec.allocator == "hakmem":
            assert outcome.events["THREAD_START"] == 2
            assert any("THREAD_START" in line for line in outcome.last_events)
            assert worker.allocator_block.snapshot().fold("thread.operations") >= 0
        worker.pause()  # nothing is left to pause, and that is no error
        worker.stop()
        worker.kill()


def test_kill_is_a_stop() -> None:
    with Worker.start(LONG_GLIBC) as worker:
        worker.kill()
        outcome = wait(worker)
    assert (outcome.status, outcome.signal) == ("stopped", "SIGKILL")


def test_a_worker_that_takes_too_long_is_killed() -> None:
    outcome = run(LONG_GLIBC, timeout_s=0.05)
    assert (outcome.status, outcome.signal) == ("timed out", "SIGKILL")


def test_a_worker_that_does_not_stop_is_killed() -> None:
    with Worker.start(LONG_GLIBC) as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        worker.stop(grace_s=0.05)
        outcome = wait(worker)
    assert (outcome.status, outcome.signal) == ("stopped", "SIGKILL")


def test_only_the_end_of_standard_error_is_kept() -> None:
    tunables = {"log.capacity": True, "tls.adapt_ms": 0, "tls.adapt_refills": 1}
    outcome = run(Run("phases", {"phase_ms": 1.0}, operations=3_000_000, tunables=tunables))
    assert outcome.status == "completed"
    assert "[TLS_CACHE] " in outcome.stderr_tail
    assert 1000 < len(outcome.stderr_tail.encode()) <= 65536


def test_tunables_reach_the_worker() -> None:
    tunables: dict[str, Value] = {
        "tls.max_slots": "128",
        "big.policy": "lfu",
        "tls.adaptive": False,
        "big.load_factor": 1.25,
    }
    with Worker.start(Run("random_mixed", seconds=ENDLESS_S, tunables=tunables)) as worker:
        assert worker.allocator_block is not None
        values = worker.allocator_block.effective().values
    assert values["tls.max_slots"] == 128
    assert values["big.policy"] == "lfu"
    assert values["tls.adaptive"] is False
    assert values["big.load_factor"] == 1.25
    assert values["tls.min_slots"] == 16


@pytest.mark.parametrize(
    ("spec", "error", "text"),
    [
        (Run("larsen"), UnknownWorkload, "did you mean 'larson'"),
        (Run("larson", {"block": 1}), BadParameter, "did you mean 'blocks'"),
        (Run("larson", {"blocks": 0}), BadParameter, "0 is not within 1 to 1000000"),
        (Run("larson", allocator="jmalloc"), MissingAllocator, "did you mean 'jemalloc'"),
        (Run("larson", threads=0), OutOfRange, "threads: 0 is not within 1 to 256"),
        (Run("larson", seed=-1), OutOfRange, "seed: -1"),
        (Run("larson", seconds=0), OutOfRange, "seconds: 0"),
        (Run("larson", operations=0), OutOfRange, "operations: 0"),
        (Run("larson", seconds=1, operations=1), BadParameter, "by seconds or by operations"),
        (Run("larson", tunables={"tls.max_slot": 1}), UnknownTunable, "tls.max_slots"),
        (Run("larson", tunables={"tls.max_slots": 5000}), OutOfRange, "tls.max_slots"),
        (Run("larson", tunables={"tls.max_slots": 20}), ConstraintBroken, "tls.max_slots"),
        (
            Run("larson", allocator="glibc", tunables={"tls.max_slots": 64}),
            UnknownTunable,
            "unknown tunable 'tls.max_slots'",
        ),
    ],
)
def test_what_cannot_be_run_is_refused_before_it_starts(
    spec: Run, error: type[WorkbenchError], text: str
) -> None:
    with pytest.raises(error) as refusal:
        Worker.start(spec)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_memory_that_runs_out_is_a_failure() -> None:
    spec = Run("site_churn", seconds=ENDLESS_S, allocator="glibc")
    with Worker.start(spec) as worker:
        resource.prlimit(worker.pid, resource.RLIMIT_AS, (200 * 2**20, 200 * 2**20))
        worker.resume()
        outcome = wait(worker)
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("failed", 1, None)
    assert "workload site_churn: out of memory: malloc(" in outcome.message
    assert 0 < outcome.operations < 1000


def test_an_allocator_that_crashes_at_once_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, library = tmp_path / "crash.c", tmp_path / "crash.so"
    source.write_text(
        "#include <stdlib.h>\n__attribute__((constructor)) static void crash(void) { abort(); }\n"
    )
    compiler = shutil.which("cc")
    assert compiler is not None
    subprocess.run([compiler, "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    monkeypatch.setattr(Allocator, "run_environment", lambda *_, **__: {"LD_PRELOAD": str(library)})
    with pytest.raises(WorkerFailed, match=r"random_mixed under glibc did not start: .* SIGABRT"):
        Worker.start(LONG_GLIBC)


def test_memory_of_a_worker_can_be_read() -> None:
    with Worker.start(LONG) as worker:
        assert 2**20 < resident_bytes(worker.pid) <= peak_resident_bytes(worker.pid)


def test_it_may_be_started_from_a_thread_that_ends() -> None:
    started: list[Worker] = []
    thread = threading.Thread(target=lambda: started.append(Worker.start(LONG_GLIBC)))
    thread.start()
    thread.join()
    with started[0] as worker:
        poll_until(lambda: count_operations(worker) > 1000, "work after the thread's end")
        assert worker.poll() is None


PARENT = """
import sys, time
from workbench.processes import Run, Worker
worker = Worker.start(Run("larson", seconds=3600, allocator=sys.argv[1]))
print(worker.pid, flush=True)
if sys.argv[2] == "leave":
    sys.exit(0)
time.sleep(3600)
"""


@pytest.mark.parametrize("allocator", ["hakmem", "glibc"])
@pytest.mark.parametrize("way", ["kill", "leave"])
def test_a_worker_dies_with_its_parent(allocator: str, way: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, allocator, way], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if way == "kill":
            parent.kill()
        assert parent.wait(CAP_S) == (-signal.SIGKILL if way == "kill" else 0)
    poll_until(lambda: not is_running(pid), "the worker's end")


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_failure_to_watch_is_an_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: EventTally) -> None:
        raise RuntimeError("no events today")

    monkeypatch.setattr(EventTally, "drain", fail)
    with Worker.start(LONG) as worker:
        outcome = worker.wait(CAP_S)
    assert outcome.status == "failed"
    assert outcome.message == "the workbench could not watch it: RuntimeError('no events today')"
