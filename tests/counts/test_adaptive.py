"""Caches that adapt cost hardly an instruction more than the better of two fixed sizes, under callgrind."""

from __future__ import annotations

import re
import subprocess

import pytest

from workbench.allocators import RUNNER, get_allocator, run_environment

OPERATIONS = 1_000_000
FIXED = ({"HAKMEM_TLS_INITIAL_SLOTS": "64"}, {"HAKMEM_TLS_INITIAL_SLOTS": "2048"})
NO_LIMITS = {"HAKMEM_ADAPTIVE_SIZING": "0", "HAKMEM_TLS_MAX_BYTES": "0"}
# As in benchmarks/adaptive.toml. Seen: 63.8 an operation against 103.8 and 63.6; 89.4 against 90.2 and 89.3.
WORKS = {
    "phases": ["phases", "--param", "phase_ms=250"],
    "larson": ["larson", "--param", "min_size=16", "--param", "max_size=64"],
}


def count_instructions(words: list[str], settings: dict[str, str]) -> int:
    preload = run_environment(get_allocator("hakmem").library) | {"HAKMEM_CLOCK_MODE": "operations"}
    run = subprocess.run(
        [
            *(
                "valgrind",
                "--tool=callgrind",
                "--callgrind-out-file=/dev/null",
                str(RUNNER),
                "--workload",
                *words,
            ),
            *("--threads", "1", "--seed", "1", "--operations", str(OPERATIONS)),
        ],
        env=preload | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = re.search(r"Collected : (\d+)", run.stderr)
    assert found, run.stderr
    return int(found[1])


@pytest.mark.parametrize("name", WORKS)
def test_adaptive_is_within_two_percent_of_the_better_fixed_size(name: str) -> None:
    adaptive = count_instructions(WORKS[name], {})
    small, large = (count_instructions(WORKS[name], NO_LIMITS | settings) for settings in FIXED)
    assert adaptive <= 1.02 * min(small, large), (adaptive, small, large)
    if name == "phases":  # its bursts of 640 blocks do not fit: the sizes do differ
        assert small > 1.2 * large
