"""System calls and page faults of seeded runs in their steady state: golden counts."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks.system_counts import PATTERNS, Pattern, count
from workbench.allocators import get_allocator, run_environment

# A million operations: memory-management calls, minor page faults. Seen: 0 / 2, 0 / 5, 0 / 31, 0 / 41,
# 5 / 35, -3 / 31, 0 / 720, 820 / 124,900, 600 / 425,600. 640 of the 820 are one look at how much of the
# memory was written (64 frames in 100,000 operations), because the process has grown by an eighth.
MOST = {
    "pair": (2, 20),
    "random_mixed, 256 slots": (2, 30),
    "random_mixed, 8192 slots": (2, 100),
    "batch": (2, 100),
    "larson 8 1000 5000 100": (20, 200),
    "pareto": (10, 100),
    "realloc_growth": (50, 2_000),
    "large, ends touched": (1_000, 160_000),
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


_ENDING = """
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **words)
{
    void *volatile block = malloc(100000);
    free(block);
    block = malloc(100);
    if (strcmp(words[1], "fork") == 0) {
        if (fork() == 0)
            _exit(count > 2 ? (free(block), block = malloc(100), block == NULL) : 0);
        wait(NULL);
    }
    write(1, "end", 3);
    if (strcmp(words[1], "_exit") == 0)
        _exit(0);
    if (strcmp(words[1], "quick_exit") == 0)
        quick_exit(0);
    return 0;
}
"""


def trace_calls(folder: Path, allocator: str, *words: str) -> list[tuple[str, str]]:
    """Process id and name of each system call of the program above."""
    source, program, trace = folder / "program.c", folder / "program", folder / "trace"
    if not program.exists():
        source.write_text(_ENDING)
        subprocess.run(["cc", "-w", "-fno-builtin", "-o", str(program), str(source)], check=True)
    preload = get_allocator(allocator).library
    settings = ["-E", f"LD_PRELOAD={preload}"] if preload else []
    command = ["strace", "-f", "-o", str(trace), *settings, str(program), *words]
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=60, check=True)
    return re.findall(r"^(\d+) +(\w+)\(", trace.read_text(), re.MULTILINE)


@pytest.mark.parametrize("way", ["return", "_exit", "quick_exit"])
def test_an_end_makes_no_call_of_the_file_system(tmp_path: Path, way: str) -> None:
    names = [name for _, name in trace_calls(tmp_path, "hakmem", way)]
    assert set(names[names.index("write") + 1 :]) <= {"getpid", "exit_group"}


@pytest.mark.parametrize("words", [["fork"], ["fork", "allocate"]], ids=["ends", "allocates a little"])
def test_a_fork_makes_the_calls_of_the_c_library_alone(tmp_path: Path, words: list[str]) -> None:
    """A child gets a control block of its own when it does more than take and give blocks of its cache."""

    def count(allocator: str) -> tuple[list[str], list[str]]:
        calls = trace_calls(tmp_path, allocator, *words)
        parent = calls[0][0]
        here = [name for process, name in calls if process == parent]
        first = next(number for number, name in enumerate(here) if name in ("clone", "clone3", "fork"))
        return here[first - 1 :], [name for process, name in calls if process != parent]

    (parent, child), (usual_parent, usual_child) = count("hakmem"), count("glibc")
    assert usual_child[-1] == "exit_group"
    assert child == usual_child
    assert len(parent) <= len(usual_parent) + 1  # getpid, at its end
