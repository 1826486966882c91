"""Pause and stop reach every workload, also lanes that wait for each other; out of memory is one line."""

from __future__ import annotations

import json
import resource
import subprocess
import time

import pytest

from tests.workloads.brief import NAMES
from workbench.allocators import RUNNER
from workbench.processes import Run, Worker

CAP_S = 120.0
ENDLESS_S = 3600.0
LIMIT_BYTES = 80 * 2**20

# What makes each ask for more than the limit, in one thread.
HUNGRY = {
    "larson": {"min_size": 1000000, "max_size": 1000000},
    "random_mixed": {"slots": 10000, "min_size": 1000000, "max_size": 1048576},
    "pair": {"size": 300 * 2**20},
    "batch": {"min_size": 1000000, "max_size": 1000000},
    "remote": {"size": 1000000, "batch": 1024},
    "swap": {"min_size": 1000000, "max_size": 1000000},
    "large": {"max_size": 2**27},
    "realloc_growth": {"max_size": 2**30},
    "calloc_churn": {"slots": 1000, "min_size": 1000000, "max_size": 1000000},
    "sh6": {"batch": 1000000},
    "sh8": {"batch": 10000, "max_size": 1048576},
    "producer_consumer": {"batch": 1000000},
    "mstress": {"slots": 1000000, "large": 10000},
    "rptest": {"min_size": 1000000, "max_size": 1000000},
    "pareto": {"slots": 100000, "min_size": 1000000, "max_size": 1000000},
    "thread_exit": {"min_size": 1000000, "max_size": 1000000},
    "fragmentation": {"live": 2**19, "min_size": 8192},
    "service": {"buffer": 1, "sessions": 100000, "expiring": 0},
    "phases": {"burst": 100000, "phase_ms": 1},
    "site_churn": {"min_size": 1100000, "max_size": 4000000},
    "mid_churn": {"min_size": 1100000, "max_size": 4000000, "slots": 2000},
}
# They keep one small block, or a few: there is nothing to run out of.
SMALL = {"cache_thrash", "cache_scratch"}


@pytest.mark.parametrize("workload", NAMES)
def test_every_thread_stands_still_and_goes_on_and_ends(workload: str) -> None:
    with Worker.start(Run(workload, threads=4, seconds=ENDLESS_S)) as worker:
        block = worker.workload_block
        deadline = time.monotonic() + CAP_S

        def wait_for(state: str) -> None:
            while block.effective() != block.requested() or block.effective().values["run.state"] != state:
                assert time.monotonic() < deadline
                time.sleep(0.005)

        def operations() -> float:
            return block.snapshot().fold("workload.operations")

        wait_for("running")
        while operations() == 0:
            assert time.monotonic() < deadline
        worker.pause()
        wait_for("paused")
        before = operations()
        worker.resume()
        wait_for("running")
        while operations() == before:
            assert time.monotonic() < deadline
        worker.stop(grace_s=CAP_S)
        outcome = worker.await_end(CAP_S)
        assert outcome is not None
        assert (outcome.status, outcome.exit_code) == ("stopped", 0)


def test_a_quiet_time_ends_with_the_run() -> None:
    spec = Run("service", {"burst": 1, "idle_ms": 600000}, seconds=ENDLESS_S)
    with Worker.start(spec) as worker:
        worker.stop(grace_s=CAP_S)
        outcome = worker.await_end(CAP_S)
        assert outcome is not None
        assert (outcome.status, outcome.exit_code) == ("stopped", 0)


def test_hunger_is_known_of_every_workload() -> None:
    assert sorted([*HUNGRY, *SMALL]) == sorted(NAMES)


@pytest.mark.parametrize("workload", HUNGRY)
def test_memory_that_cannot_be_had_is_a_failure_with_one_line(workload: str) -> None:
    def limit_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))

    words = ["--workload", workload, "--seconds", "60", "--threads", "1"]
    for name, value in HUNGRY[workload].items():
        words += ["--param", f"{name}={value}"]
    answer = subprocess.run(
        [RUNNER, *words], capture_output=True, text=True, timeout=CAP_S, check=False, preexec_fn=limit_memory
    )
    assert answer.returncode == 1
    assert json.loads(answer.stdout)["status"] == "failed"
    assert answer.stderr.count("\n") == 1
    assert f"hakmem-run: workload {workload}: out of memory: " in answer.stderr
    assert "returned NULL" in answer.stderr
