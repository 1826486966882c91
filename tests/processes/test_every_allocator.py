"""Every workload runs under every allocator at hand, with the same requests."""

from __future__ import annotations

from functools import cache

import pytest

from workbench.processes import Outcome, RunSpec, allocators, run
from workbench.workloads import catalogue

# Few of what is slow; 30000 of the others.
OPERATIONS = {"site_churn": 3000, "mid_churn": 5000, "large": 3000}
DEFAULT_OPERATIONS = 30000
# Short lives and many blocks: what a brief run can see of the workload's point.
PARAMETERS = {"larson": {"blocks": 500.0, "rounds": 2.0}, "site_churn": {"blocks": 200.0}}
ALLOCATORS = [allocator.name for allocator in allocators() if allocator.available]
TIMEOUT_S = 120


@cache
def run_briefly(workload: str, allocator: str) -> Outcome:
    spec = RunSpec(
        workload,
        PARAMETERS.get(workload, {}),
        threads=3,
        seed=11,
        allocator=allocator,
        operations=OPERATIONS.get(workload, DEFAULT_OPERATIONS),
    )
    return run(spec, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("allocator", ALLOCATORS)
@pytest.mark.parametrize("workload", catalogue())
def test_a_workload_runs(workload: str, allocator: str) -> None:
    outcome = run_briefly(workload, allocator)
    assert (outcome.status, outcome.message, outcome.stderr_tail) == ("completed", "", "")
    assert (outcome.exit_code, outcome.signal) == (0, None)
    assert outcome.operations == OPERATIONS.get(workload, DEFAULT_OPERATIONS)
    assert outcome.operations_per_s == pytest.approx(outcome.operations / outcome.elapsed_s)
    assert outcome.peak_resident_bytes > 2**20


@pytest.mark.parametrize("allocator", ALLOCATORS)
@pytest.mark.parametrize("workload", catalogue())
def test_the_requests_are_the_same(workload: str, allocator: str) -> None:
    assert run_briefly(workload, allocator).checksum == run_briefly(workload, "glibc").checksum


@pytest.mark.parametrize("workload", catalogue())
def test_only_hakmem_tells_events(workload: str) -> None:
    assert run_briefly(workload, "glibc").events == {}
    events = run_briefly(workload, "hakmem").events
    assert events["THREAD_START"] >= 3
    assert "lost" not in events
