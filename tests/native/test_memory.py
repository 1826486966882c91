"""What stays resident: after a burst, after threads, in threads that did little, in a process that idles."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment

KIB = 1024
IDLE = """
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    void *volatile block = malloc(100);
    free(block);
    puts("ready");
    fflush(stdout);
    return getchar() == EOF ? 0 : 1;
}
"""
# Small blocks are replaced at random for several periods of the upkeep.
WORKING = """
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int main(void)
{
    void *blocks[128] = {0};
    unsigned random = 1;
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (int i = 0; i < 1000; i++) {
            random = random * 1664525 + 1013904223;
            free(blocks[random >> 8 & 127]);
            blocks[random >> 8 & 127] = malloc(1 + (random >> 16) % 200);
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < 400);
    puts("ready");
    fflush(stdout);
    return getchar() == EOF ? 0 : 1;
}
"""


@pytest.mark.parametrize(
    ("behaviour", "settings"),
    [
        pytest.param("burst", {"HAKMEM_PURGE_BACKGROUND": "1"}, id="a burst, nobody allocates again"),
        pytest.param("burst", {}, id="a burst, operations go on"),
        pytest.param("survivors", {"HAKMEM_PURGE_BACKGROUND": "1"}, id="survivors, nobody allocates again"),
        pytest.param("survivors", {}, id="survivors, operations go on"),
        pytest.param("thread-exit", {}, id="threads that ended"),
        pytest.param("many-threads", {}, id="64 threads, a block of each class"),
    ],
)
def test_memory_comes_back(
    native_program: Callable[[str], Path], behaviour: str, settings: dict[str, str]
) -> None:
    run = subprocess.run(
        [native_program("memory"), behaviour],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.endswith("memory: ok\n")


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param("freed", id="freed where it was allocated"),
        pytest.param("threads", id="freed by a thread that then ends"),
        pytest.param("halves", id="freed in two halves, long after each other"),
        pytest.param("shrunk", id="made small by realloc"),
        pytest.param("storm", id="rounds of short threads"),
        pytest.param("shift", id="the sizes change and few blocks survive"),
    ],
)
def test_memory_comes_back_at_the_free_itself(native_program: Callable[[str], Path], behaviour: str) -> None:
    run = subprocess.run(
        [native_program("idle"), behaviour], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "idle: ok\n"


# At most 60 MiB live; the size of blocks shifts from round to round. It writes its peak resident memory.
SHIFT = """
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
enum { ROUNDS = 14, ROUND_BYTES = 30 << 20 };
int main(void)
{
    static const size_t sizes[] = {1000, 200000, 3000000, 30000, 20000000, 100, 900000};
    void **former = NULL;
    size_t former_count = 0;
    for (int round = 0; round < ROUNDS; round++) {
        size_t bytes = sizes[round % 7], count = ROUND_BYTES / bytes;
        void **blocks = malloc(count * sizeof *blocks);
        for (size_t i = 0; i < count; i++)
            blocks[i] = memset(malloc(bytes), 1, bytes);
        for (size_t i = 0; i < former_count; i++)
            free(former[i]);
        free(former);
        former = blocks;
        former_count = count;
    }
    char status[4096] = "";
    int descriptor = open("/proc/self/status", O_RDONLY);
    if (read(descriptor, status, sizeof status - 1) < 0)
        return 1;
    const char *line = strstr(status, "VmHWM:");
    return write(1, line, strcspn(line, "\\n")) < 0;
}
"""
MOST_OF_SHIFT_BYTES = 120 << 20
LIMIT_OF_SHIFT_BYTES = 90 << 20


@pytest.fixture(scope="module")
def shift_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shift") / "shift"
    command: list[str | Path] = ["cc", "-O1", "-fno-builtin", "-x", "c", "-", "-o", path]
    subprocess.run(command, input=SHIFT, text=True, check=True, timeout=60)
    return path


def test_sizes_that_shift_need_little_more_than_what_is_live(shift_program: Path) -> None:
    environment = run_environment(get_allocator("hakmem").library)
    run = subprocess.run([shift_program], env=environment, capture_output=True, text=True, check=True)
    name, peak, unit = run.stdout.split()
    assert (name, unit) == ("VmHWM:", "kB")
    assert int(peak) * KIB <= MOST_OF_SHIFT_BYTES


@pytest.fixture
def memory_cgroup() -> Iterator[Path]:
    """A memory cgroup with a limit of LIMIT_OF_SHIFT_BYTES, of version 1 or 2."""
    places = [
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ]
    for root, limit in places:
        group = root / f"hakmem_test_{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / limit).write_text(str(LIMIT_OF_SHIFT_BYTES))
        except OSError:
            group.rmdir()
            continue
        yield group
        group.rmdir()
        return
    pytest.skip("memory cgroups can not be made here: needs root and the memory controller")


def test_a_small_memory_cgroup_is_enough(shift_program: Path, memory_cgroup: Path) -> None:
    run = subprocess.run(
        ["sh", "-c", 'echo $$ > "$1" && exec "$2"', "sh", memory_cgroup / "cgroup.procs", shift_program],
        env=run_environment(get_allocator("hakmem").library),
        timeout=120,
        check=False,
    )
    assert run.returncode == 0


def compile_program(text: str, path: Path) -> Path:
    subprocess.run(["cc", "-x", "c", "-", "-o", path], input=text, text=True, check=True, timeout=60)
    return path


@pytest.fixture(scope="module")
def idle_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(IDLE, tmp_path_factory.mktemp("idle") / "idle")


@pytest.fixture(scope="module")
def working_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_program(WORKING, tmp_path_factory.mktemp("working") / "working")


def read_idle_memory(program: Path, allocator: str, name: str) -> str:
    """/proc/PID/NAME of a process that did its work and waits for its input."""
    environment = run_environment(get_allocator(allocator).library)
    with subprocess.Popen(
        [program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        memory = Path(f"/proc/{process.pid}/{name}").read_text()
        process.communicate(timeout=60)
    return memory


def measure_idle_bytes(program: Path, allocator: str) -> int:
    """Resident bytes of such a process."""
    return sum_resident_bytes(read_idle_memory(program, allocator, "smaps_rollup"))


def sum_resident_bytes(memory: str) -> int:
    return sum(int(kib) * KIB for kib in re.findall(r"^Rss:\s+(\d+) kB$", memory, flags=re.MULTILINE))


def count_library_bytes(mappings: str, access: str) -> int:
    each = re.split(r"^(?=[0-9a-f]+-)", mappings, flags=re.MULTILINE)
    return sum(sum_resident_bytes(one) for one in each if "libhakmem.so" in one and f" {access} " in one)


def test_an_idle_process_is_within_a_mebibyte_of_glibc(idle_program: Path) -> None:
    glibc_bytes = measure_idle_bytes(idle_program, "glibc")
    assert measure_idle_bytes(idle_program, "hakmem") <= glibc_bytes + 1024 * KIB


def test_of_the_code_an_idle_process_has_only_what_it_runs(idle_program: Path) -> None:
    """Its piece of 64 KiB, and not those of what seldom or only larger programs run (native/layout.ld)."""
    mappings = read_idle_memory(idle_program, "hakmem", "smaps")
    assert 0 < count_library_bytes(mappings, "r-xp") <= 64 * KIB
    assert 0 < count_library_bytes(mappings, "r--p") <= 44 * KIB  # without the constants that are read once


def test_a_small_process_that_works_has_no_more_code_than_an_idle_one(working_program: Path) -> None:
    assert 0 < count_library_bytes(read_idle_memory(working_program, "hakmem", "smaps"), "r-xp") <= 64 * KIB
