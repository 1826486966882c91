"""What stays resident: after a burst, after threads, in threads that did little, in a process that idles."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.processes import get_allocator
from workbench.processes.allocators import run_environment

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


@pytest.mark.parametrize(
    ("behaviour", "settings"),
    [
        pytest.param("burst", {"HAKMEM_PURGE_BACKGROUND": "1"}, id="a burst, nobody allocates again"),
        pytest.param("burst", {}, id="a burst, operations go on"),
        pytest.param("survivors", {"HAKMEM_PURGE_BACKGROUND": "1"}, id="survivors, nobody allocates again"),
        pytest.param("survivors", {}, id="survivors, operations go on"),
        pytest.param("survivors", {"HAKMEM_OS_THP": "dense"}, id="survivors in huge pages"),
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
    ],
)
def test_memory_comes_back_at_the_free_itself(native_program: Callable[[str], Path], behaviour: str) -> None:
    run = subprocess.run(
        [native_program("idle"), behaviour], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "idle: ok\n"


@pytest.fixture(scope="module")
def idle_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("idle") / "idle"
    subprocess.run(["cc", "-x", "c", "-", "-o", path], input=IDLE, text=True, check=True, timeout=60)
    return path


def measure_idle_bytes(program: Path, allocator: str) -> int:
    """Resident bytes of a process that made one call and waits for its input."""
    environment = run_environment(get_allocator(allocator).library)
    with subprocess.Popen(
        [program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        process.communicate(timeout=60)
    resident = re.search(r"^Rss:\s+(\d+) kB$", rollup, flags=re.MULTILINE)
    assert resident is not None
    return int(resident[1]) * KIB


def test_an_idle_process_is_within_a_mebibyte_of_glibc(idle_program: Path) -> None:
    glibc_bytes = measure_idle_bytes(idle_program, "glibc")
    assert measure_idle_bytes(idle_program, "hakmem") <= glibc_bytes + 1024 * KIB
