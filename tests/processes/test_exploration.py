"""The same drivers inside this process, on the allocator under its hak_ names."""

from __future__ import annotations

import os
import time

import pytest

from tests.workloads.brief import NAMES, make_brief
from workbench.errors import BadParameter, OutOfRange, StartOnly, WorkerFailed
from workbench.processes import InProcessRun, Run, run

CAP_S = 120.0
ENDLESS_S = 3600.0


@pytest.mark.parametrize("workload", NAMES)
def test_it_makes_the_same_requests_as_a_worker(workload: str) -> None:
    spec = make_brief(workload, threads=2)
    with InProcessRun.start(spec) as exploration:
        assert exploration.pid == os.getpid()
        outcome = exploration.wait(CAP_S)
    assert (outcome.status, outcome.message) == ("completed", "")
    assert outcome.operations == spec.operations
    assert outcome.checksum == run(spec).checksum


def test_damage_is_refused_and_not_fatal() -> None:
    with InProcessRun.start(Run("random_mixed", seconds=ENDLESS_S)) as exploration:
        values = exploration.allocator_block.requested().values
        assert values["check.action"] == "refuse"


def test_it_can_be_paused_resumed_and_stopped() -> None:
    with InProcessRun.start(Run("random_mixed", threads=2, seconds=ENDLESS_S)) as exploration:
        block = exploration.workload_block
        deadline = time.monotonic() + CAP_S

        def wait_for(state: str) -> None:
            while block.effective() != block.requested() or block.effective().values["run.state"] != state:
                assert time.monotonic() < deadline
                time.sleep(0.005)

        wait_for("running")
        exploration.pause()
        wait_for("paused")
        operations = block.snapshot().fold("workload.operations")
        time.sleep(0.02)
        assert block.snapshot().fold("workload.operations") == operations
        exploration.resume()
        wait_for("running")
        assert exploration.poll() is None
        assert 0 <= exploration.progress() < 1
        exploration.stop()
        outcome = exploration.await_end(CAP_S)
        assert outcome is not None
        assert outcome.status == "stopped"


def test_there_is_one_at_a_time() -> None:
    spec = Run("larson", seconds=ENDLESS_S)
    with InProcessRun.start(spec), pytest.raises(WorkerFailed, match="runs in this process already"):
        InProcessRun.start(spec)
    with InProcessRun.start(Run("larson", operations=100)) as exploration:
        assert exploration.wait(CAP_S).status == "completed"


def test_tunables_are_those_of_the_specification() -> None:
    with InProcessRun.start(Run("larson", operations=1, tunables={"tls.grow_percent": 65})) as first:
        assert first.allocator_block.requested().values["tls.grow_percent"] == 65
        first.wait(CAP_S)
    with InProcessRun.start(Run("larson", operations=1)) as second:
        assert second.allocator_block.requested().values["tls.grow_percent"] == 80
        second.wait(CAP_S)


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(BadParameter, match="there is hakmem only"):
        InProcessRun.start(Run("larson", allocator="glibc"))
    with pytest.raises(StartOnly, match=r"big\.initial_buckets"):
        InProcessRun.start(Run("larson", tunables={"big.initial_buckets": 512}))
    with pytest.raises(OutOfRange, match=r"tls\.max_slots"):
        InProcessRun.start(Run("larson", tunables={"tls.max_slots": 1_000_000}))


def test_sized_frees_are_the_allocators_own_too() -> None:
    spec = Run("larson", {"sized_free": 1.0}, threads=2, operations=20_000)
    with InProcessRun.start(spec) as exploration:
        outcome = exploration.wait(CAP_S)
    assert (outcome.status, outcome.message) == ("completed", "")
    assert outcome.checksum == run(spec).checksum
