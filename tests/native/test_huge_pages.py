"""Huge pages of a process that has grown: few faults, none in a small process, and memory that comes back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment

_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_PAGE_BYTES = 4096
NEVER = {"HAKMEM_OS_THP": "never"}

# usage: grower MIB: writes blocks of 1000 bytes and a large block, then frees all. It tells the faults of
# growing, and the resident pages before and after the frees.
_GROWER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
static long resident(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        abort();
    fclose(file);
    return pages;
}
static long faults(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}
int main(int count, char **words)
{
    size_t bytes = strtoul(words[1], NULL, 10) << 20, blocks = bytes / 2 / 1000;
    char **all = calloc(blocks, sizeof *all);
    long before = faults();
    for (size_t i = 0; i < blocks; i++)
        memset(all[i] = malloc(1000), 1, 1000);
    char *large = memset(malloc(bytes / 2), 1, bytes / 2);
    long grown = faults(), most = resident();
    free(large);
    for (size_t i = 0; i < blocks; i++)
        free(all[i]);
    printf("%ld %ld %ld\n", grown - before, most, resident());
    return count != 2;
}
"""


@dataclass(frozen=True)
class Growth:
    faults: int
    most_pages: int
    kept_pages: int


@pytest.fixture(scope="module")
def grower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("grower") / "grower"
    command: list[str | Path] = ["cc", "-O1", "-fno-builtin", "-x", "c", "-", "-o", path]
    subprocess.run(command, input=_GROWER, text=True, check=True, timeout=60)
    return path


def grow(program: Path, mib: int, **settings: str) -> Growth:
    environment = run_environment(get_allocator("hakmem").library) | settings
    run = subprocess.run(
        [program, str(mib)], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return Growth(*map(int, run.stdout.split()))


def needs_huge_pages() -> None:
    if not _HUGE_PAGES.exists() or "[never]" in _HUGE_PAGES.read_text():
        pytest.skip("this system offers no huge pages")


# Seen: 4,100 of 33,300: the first 16 MiB, and what the allocator notes down.
def test_a_process_that_grows_takes_few_faults(grower: Path) -> None:
    needs_huge_pages()
    grown, without = grow(grower, 128), grow(grower, 128, **NEVER)
    assert without.faults > (128 << 20) // _PAGE_BYTES
    assert grown.faults <= 5_000
    assert (grown.most_pages - without.most_pages) * _PAGE_BYTES <= 4 << 20
    assert (grown.kept_pages - without.kept_pages) * _PAGE_BYTES <= 4 << 20


def test_a_small_process_is_as_without_them(grower: Path) -> None:
    small, without = grow(grower, 12), grow(grower, 12, **NEVER)
    assert abs(small.faults - without.faults) <= 20
    assert abs(small.most_pages - without.most_pages) <= 100


# usage: flags BYTES: tells what the system was told about the page in which a block ends.
_FLAGS = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int count, char **words)
{
    size_t bytes = strtoul(words[1], NULL, 10), start, end;
    uintptr_t last = (uintptr_t)malloc(bytes) + bytes - 1;
    char line[400];
    int is_here = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%zx-%zx ", &start, &end) == 2)
            is_here = start <= last && last < end;
        else if (is_here && strncmp(line, "VmFlags:", 8) == 0)
            fputs(line, stdout);
    }
    return count != 2;
}
"""


# 3 MB end in the middle of a frame, and 1.2 MB do not fill one.
@pytest.mark.parametrize("size", ["1000", "1200000", "3000000"])
def test_never_is_said_of_all_memory(tmp_path: Path, size: str) -> None:
    needs_huge_pages()
    command: list[str | Path] = ["cc", "-O1", "-fno-builtin", "-x", "c", "-", "-o", tmp_path / "flags"]
    subprocess.run(command, input=_FLAGS, text=True, check=True, timeout=60)
    run = subprocess.run(
        [tmp_path / "flags", size],
        env=run_environment(get_allocator("hakmem").library) | NEVER,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert " nh" in run.stdout


def count_splits() -> int:
    """How many huge pages the system has split."""
    lines = dict(line.split() for line in Path("/proc/vmstat").read_text().splitlines())
    return int(lines["thp_split_page"])


# A huge page of which parts are given back keeps them from others until it is split or memory is short.
@pytest.mark.parametrize("choice", ["grown", "dense"])
def test_memory_between_survivors_is_free_for_others(
    native_program: Callable[[str], Path], choice: str
) -> None:
    needs_huge_pages()
    before = count_splits()
    run = subprocess.run(
        [native_program("memory"), "survivors"],
        env=os.environ | {"HAKMEM_OS_THP": choice},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("memory: ok\n")
    assert count_splits() >= before + 32  # of 56 huge pages
