"""System calls and page faults of seeded runs in their steady state: golden counts."""

from __future__ import annotations

import os
import subprocess

import pytest

from benchmarks.system_counts import PATTERNS, Pattern, count
from workbench.processes import get_allocator
from workbench.processes.allocators import run_environment

# A million operations: memory-management calls, minor page faults. Seen: 0 / 2, 0 / 5, 0 / 31, 0 / 41,
# 5 / 35, -3 / 31, 0 / 720, 90 / 120,900, 600 / 425,600.
MOST = {
    "pair": (2, 20),
    "random_mixed, 256 slots": (2, 30),
    "random_mixed, 8192 slots": (2, 100),
    "batch": (2, 100),
    "larson 8 1000 5000 100": (20, 200),
    "pareto": (10, 100),
    "realloc_growth": (50, 2_000),
    "large, ends touched": (300, 160_000),
    "large, every page touched": (1_500, 550_000),
}


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_the_system_is_asked_seldom(pattern: Pattern) -> None:
    most_calls, most_faults = MOST[pattern.name]
    counts = count(pattern, "hakmem")
    assert counts.calls <= most_calls
    assert counts.page_faults <= most_faults


# Page faults of a process that does nothing, beyond those of one under glibc. Seen: 65.
MOST_FAULTS_OF_A_START = 80


def test_a_start_touches_few_pages() -> None:
    ours, others = (min(count_faults_of_a_start(name) for _ in range(5)) for name in ("hakmem", "glibc"))
    assert ours - others <= MOST_FAULTS_OF_A_START


def count_faults_of_a_start(allocator: str) -> int:
    process = subprocess.Popen(["/bin/true"], env=run_environment(get_allocator(allocator).library))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_minflt


def test_calls_are_counted_where_they_are_made() -> None:
    # glibc maps and unmaps large blocks: a count that is always 0 would say nothing.
    large = next(pattern for pattern in PATTERNS if pattern.name == "large, ends touched")
    counts = count(large, "glibc")
    assert counts.calls > 1_000
    assert counts.page_faults > 1_000
