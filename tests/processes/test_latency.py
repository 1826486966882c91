"""Calls of a run are timed on request, and only then."""

from __future__ import annotations

import pytest

from workbench.errors import BadParameter
from workbench.processes import InProcessRun, Run, run

TIMEOUT_S = 120
OPERATIONS = 40_000


def test_calls_are_sampled() -> None:
    spec = Run("random_mixed", threads=2, operations=OPERATIONS, samples_latency=True)
    outcome = run(spec, TIMEOUT_S)
    assert (outcome.status, outcome.message) == ("completed", "")
    latency_ns = outcome.latency_ns
    # One in 16 on average; nothing is left out for long.
    timed = latency_ns["malloc_count"] + latency_ns["free_count"]
    assert OPERATIONS / 16 * 0.8 < timed < OPERATIONS / 16 * 1.2
    assert latency_ns["clock_overhead"] >= 0
    assert "realloc_count" not in latency_ns
    for call in ("malloc", "free"):
        quantiles = [latency_ns[f"{call}_{name}"] for name in ("p50", "p99", "p99_9", "max")]
        assert quantiles == sorted(quantiles)
        assert 0 < quantiles[-1] < 1e9 * TIMEOUT_S
        histogram = outcome.latency_histograms[call]
        assert sum(count for _, count in histogram) == latency_ns[f"{call}_count"]
        ends = [upper_ns for upper_ns, _ in histogram]
        assert ends == sorted(set(ends))
        assert ends[-1] * 1.01 >= latency_ns[f"{call}_max"]


def test_reallocs_have_their_own_histogram() -> None:
    spec = Run("realloc_growth", threads=1, operations=4000, samples_latency=True)
    outcome = run(spec, TIMEOUT_S)
    assert outcome.latency_ns["realloc_count"] > outcome.latency_ns["malloc_count"] > 0
    assert set(outcome.latency_histograms) == {"malloc", "realloc", "free"}


@pytest.mark.parametrize("allocator", ["hakmem", "glibc"])
def test_the_requests_are_those_of_any_run(allocator: str) -> None:
    spec = Run("larson", threads=2, operations=OPERATIONS, allocator=allocator, samples_latency=True)
    plain = run(Run("larson", threads=2, operations=OPERATIONS, allocator=allocator), TIMEOUT_S)
    assert run(spec, TIMEOUT_S).checksum == plain.checksum
    assert (plain.latency_ns, plain.latency_histograms) == ({}, {})


def test_in_this_process_nothing_is_timed() -> None:
    with pytest.raises(BadParameter, match="calls are not timed"):
        InProcessRun.start(Run("larson", samples_latency=True))
