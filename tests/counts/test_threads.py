"""Page faults and system calls of threads that end soon: no more than with glibc, in the same run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("threads") / "threads"
    source = Path(__file__).with_name("threads.c")
    subprocess.run(["cc", "-O2", "-fno-builtin", "-pthread", "-o", path, source], check=True)
    return path


def count_faults(program: Path, allocator: str, *words: int) -> int:
    """Page faults, beyond those of a run with one thread; the least of some runs."""

    def run(*words: int) -> int:
        environment = run_environment(get_allocator(allocator).library)
        command = [str(program), *map(str, words)]
        answer = subprocess.run(command, env=environment, capture_output=True, timeout=120, check=True)
        return int(answer.stdout)

    return min(run(*words) for _ in range(3)) - min(run(1) for _ in range(3))


# Seen: 6,290 with ours, 6,530 with glibc; 23,000 when each thread got a cache at its first call.
def test_two_thousand_threads_at_once_fault_no_more_pages(program: Path) -> None:
    ours, others = (count_faults(program, name, 2_000, 2_000) for name in ("hakmem", "glibc"))
    assert others > 4_000, "their stacks alone take two pages each"
    assert ours <= others


# Seen: a few with either. Threads that are born one after the other get the same pages.
def test_ten_thousand_threads_in_turn_fault_hardly_any(program: Path) -> None:
    ours, others = (count_faults(program, name, 10_000) for name in ("hakmem", "glibc"))
    assert ours <= max(others, 0) + 10


def count_calls(program: Path, allocator: str, threads: int, folder: Path) -> int:
    trace = folder / "trace"
    library = get_allocator(allocator).library
    preload = ["-E", f"LD_PRELOAD={library}"] if library else []
    command = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "signal=none",
        "-o",
        str(trace),
        *preload,
        str(program),
        str(threads),
    ]
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=120, check=True)
    # Whether a join waits is a matter of time.
    return sum("resumed" not in line and "futex(" not in line for line in trace.read_text().splitlines())


# Seen: 8 a thread with either, of which the C library makes all.
def test_a_thread_makes_the_calls_of_the_c_library_alone(program: Path, tmp_path: Path) -> None:
    ours, others = (
        count_calls(program, name, 300, tmp_path) - count_calls(program, name, 100, tmp_path)
        for name in ("hakmem", "glibc")
    )
    assert others >= 200 * 5
    assert ours <= others + 20, "a call of each thread would be 200"
