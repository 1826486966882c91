"""System calls and page faults of allocators, counted on seeded runs by operations.

    .venv/bin/python benchmarks/system_counts.py [--allocators hakmem,glibc,...] [--only batch,large]

Prints a table: memory-management system calls (strace -e trace=%memory: mmap, munmap, mremap, madvise, brk,
mprotect ...) and minor page faults a million operations, one thread, in the steady state: the difference of
a longer run and a shorter one leaves out the start. Counts, so a busy machine does not matter; what a
thread of the allocator does by time may differ by a few.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

from workbench.allocators import RUNNER, allocators, get_allocator, run_environment

_TIMEOUT_S = 600
_MILLION = 1_000_000


@dataclass(frozen=True)
class Pattern:
    """A seeded run of one thread whose steady state is counted."""

    name: str
    words: tuple[str, ...]
    short: int  # operations until the steady state
    counted: int  # operations after it


PATTERNS = (
    Pattern("pair", ("pair",), 100_000, 1_000_000),
    Pattern("random_mixed, 256 slots", ("random_mixed",), 200_000, 1_000_000),
    Pattern("random_mixed, 8192 slots", ("random_mixed", "--param", "slots=8192"), 400_000, 1_000_000),
    Pattern("batch", ("batch",), 200_000, 1_000_000),
    Pattern("larson 8 1000 5000 100", ("larson",), 600_000, 1_000_000),
    Pattern("pareto", ("pareto",), 1_000_000, 1_000_000),
    Pattern("realloc_growth", ("realloc_growth",), 20_000, 200_000),
    Pattern("large, ends touched", ("large",), 20_000, 100_000),
    Pattern("large, every page touched", ("large", "--param", "touched=100"), 2_000, 5_000),
)


@dataclass(frozen=True)
class Counts:
    """What a million operations cost."""

    calls: float
    page_faults: float


def count(pattern: Pattern, allocator: str) -> Counts:
    """Count a pattern under an allocator, a million operations' worth."""
    factor = _MILLION / pattern.counted
    calls, faults = (
        measure(pattern, allocator, pattern.short + pattern.counted)
        - measure(pattern, allocator, pattern.short)
        for measure in (_count_calls, _count_faults)
    )
    return Counts(calls * factor, faults * factor)


def _describe_run(pattern: Pattern, operations: int) -> list[str]:
    # One seed: the longer run makes the requests of the shorter one, and goes on.
    words = [str(RUNNER), "--workload", *pattern.words]
    return [*words, "--threads", "1", "--seed", "1", "--operations", str(operations)]


def _make_environment(allocator: str) -> dict[str, str]:
    # By operations, so that no decision of hakmem depends on how slowly it runs.
    return run_environment(get_allocator(allocator).library) | {"HAKMEM_CLOCK_MODE": "operations"}


def _count_calls(pattern: Pattern, allocator: str, operations: int) -> int:
    environment = _make_environment(allocator)
    # Preloaded into the run, not into strace.
    library = environment.pop("LD_PRELOAD", None)
    preload = [] if library is None else ["-E", f"LD_PRELOAD={library}"]
    with tempfile.NamedTemporaryFile("r") as log:
        command = [
            "strace",
            "-f",
            "-qq",
            "-e",
            "trace=%memory",
            "-e",
            "signal=none",
            "-o",
            log.name,
            *preload,
        ]
        subprocess.run(
            [*command, *_describe_run(pattern, operations)],
            env=environment,
            stdout=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
            check=True,
        )
        return sum(bool(re.match(r"\d+ +\w+\(", line)) for line in log)


def _count_faults(pattern: Pattern, allocator: str, operations: int) -> int:
    process = subprocess.Popen(
        _describe_run(pattern, operations), env=_make_environment(allocator), stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{pattern.name} under {allocator} ended with {process.returncode}")
    return usage.ru_minflt


def _print_table(names: list[str], patterns: list[Pattern]) -> None:
    print(f"| calls / page faults | {' | '.join(names)} |")
    print(f"| --- |{' ---: |' * len(names)}")
    for pattern in patterns:
        cells = []
        for name in names:
            counts = count(pattern, name)
            cells.append(f"{counts.calls:,.0f} / {counts.page_faults:,.0f}")
        print(f"| {pattern.name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    at_hand = [allocator.name for allocator in allocators() if allocator.available]
    parser.add_argument("--allocators", default=",".join(at_hand))
    parser.add_argument("--only", default="", help="beginnings of names, separated by commas")
    words = parser.parse_args()
    beginnings = tuple(words.only.split(","))
    chosen = [pattern for pattern in PATTERNS if pattern.name.startswith(beginnings)]
    if not chosen:
        parser.error(f"--only {words.only}: no pattern begins so: {', '.join(one.name for one in PATTERNS)}")
    _print_table(words.allocators.split(","), chosen)


if __name__ == "__main__":
    main()
