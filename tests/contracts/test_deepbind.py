"""RTLD_DEEPBIND: a library opened with it would have another malloc than its program. Every peer fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment

HERE = Path(__file__).parent
OPTIONS = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-D_GNU_SOURCE"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("deepbind")
    shared = ["-shared", "-fPIC", "-Wl,-rpath,$ORIGIN"]
    library = HERE / "deepbind_library.c"
    subprocess.run(["cc", *OPTIONS, HERE / "deepbind_host.c", "-o", path / "host"], check=True)
    for name in ("library.so", "beside.so"):
        subprocess.run(["cc", *OPTIONS, *shared, library, "-o", path / name], check=True)
    return path


def run(folder: Path, how: str, allocator: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / "host", how, folder / "library.so"],
        env=run_environment(get_allocator(allocator).library) | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("how", ["dlopen", "dlmopen", "twice"])
@pytest.mark.parametrize("allocator", ["glibc", "hakmem"])
def test_the_library_has_the_malloc_of_its_program(folder: Path, allocator: str, how: str) -> None:
    answer = run(folder, how, allocator)
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "the same malloc\n", "")


def test_the_flag_is_kept_on_request(folder: Path) -> None:
    """Then a block of the library's is noticed, and said what it is."""
    answer = run(folder, "dlopen", "hakmem", HAKMEM_OS_DEEPBIND="on")
    assert answer.returncode < 0
    assert answer.stdout == "another malloc\n"
    assert "hakmem: realloc(" in answer.stderr
    assert "[heap]" in answer.stderr
