"""Every workload runs under every allocator at hand, with the same requests."""

from __future__ import annotations

from functools import cache

import pytest

from tests.workloads.brief import NAMES, make_brief
from workbench.allocators import allocators
from workbench.processes import Outcome, run

ALLOCATORS = [allocator.name for allocator in allocators() if allocator.available]
TIMEOUT_S = 120


@cache
def run_briefly(workload: str, allocator: str, threads: int = 3) -> Outcome:
    return run(make_brief(workload, allocator, threads), timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("allocator", ALLOCATORS)
@pytest.mark.parametrize("workload", NAMES)
def test_a_workload_runs(workload: str, allocator: str) -> None:
    outcome = run_briefly(workload, allocator)
    assert (outcome.status, outcome.message, outcome.stderr_tail) == ("completed", "", "")
    assert (outcome.exit_code, outcome.signal) == (0, None)
    assert outcome.operations == make_brief(workload).operations
    assert outcome.operations_per_s == pytest.approx(outcome.operations / outcome.elapsed_s)
    assert outcome.peak_resident_bytes > 2**20


@pytest.mark.parametrize("allocator", ALLOCATORS)
@pytest.mark.parametrize("workload", NAMES)
def test_the_requests_are_the_same(workload: str, allocator: str) -> None:
    assert run_briefly(workload, allocator).checksum == run_briefly(workload, "glibc").checksum


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("workload", NAMES)
def test_the_requests_are_the_same_with_any_number_of_threads(workload: str, threads: int) -> None:
    outcomes = [run_briefly(workload, allocator, threads) for allocator in ("hakmem", "glibc")]
    assert [(outcome.status, outcome.message) for outcome in outcomes] == [("completed", "")] * 2
    assert [outcome.operations for outcome in outcomes] == [make_brief(workload).operations] * 2
    assert outcomes[0].checksum == outcomes[1].checksum


@pytest.mark.parametrize("workload", NAMES)
def test_only_hakmem_tells_events(workload: str) -> None:
    assert run_briefly(workload, "glibc").events == {}
    events = run_briefly(workload, "hakmem").events
    assert events["THREAD_START"] >= 3
    assert "lost" not in events
