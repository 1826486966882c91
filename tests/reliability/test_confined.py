"""Processes that confine themselves to a list of system calls (seccomp): from then on the allocator calls
mmap, munmap and futex alone, and its end calls nothing."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workloads.brief import make_brief
from workbench.allocators import RUNNER, get_allocator, run_environment
from workbench.processes import preload_environment
from workbench.workloads import known_workloads

SOURCE = Path(__file__).parent / "confined.c"
CAP_S = 120.0
COMPILE = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-pthread", "-D_GNU_SOURCE"]
ALLOWED = {"mmap", "munmap", "futex", "brk"}
# Everything is given back at once: what may be called, is.
BUSY: dict[str, int | float | str] = {
    "ss.purge_delay_ms": 0,
    "ss.retain_chunks": 0,
    "purge.background": True,
    "os.thp": "dense",
}


def _compile(target: Path, *options: str) -> Path:
    if not target.exists():
        subprocess.run([*COMPILE, SOURCE, "-o", target, *options], check=True, timeout=CAP_S)
    return target


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("confined")


def _run(
    folder: Path, *words: str, settings: dict[str, int | float | str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_compile(folder / "confined"), *words],
        env=preload_environment(settings, run_environment(None)),
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )


@pytest.mark.parametrize("settings", [{}, BUSY], ids=["defaults", "busy"])
@pytest.mark.parametrize("way", ["prctl", "syscall", "tsync"])
def test_it_works_and_ends(folder: Path, way: str, settings: dict[str, int | float | str]) -> None:
    done = _run(folder, way, "alone", "return", settings=settings)
    assert (done.returncode, done.stdout, done.stderr) == (0, "worked\n", "")


@pytest.mark.parametrize("end", ["exit", "_exit", "quick_exit"])
@pytest.mark.parametrize("work", ["threads", "fork"])
def test_it_has_threads_and_children(folder: Path, work: str, end: str) -> None:
    done = _run(folder, "prctl", work, end, settings=BUSY)
    assert (done.returncode, done.stdout, done.stderr) == (0, "worked\n", "")


def test_the_filter_is_in_force(folder: Path) -> None:
    assert _run(folder, "prctl", "stray", "return", settings={}).returncode == -signal.SIGSYS


# ---- the survey --------------------------------------------------------------------------------------

_CALL = re.compile(r"^\d+ +\[([0-9a-f]+)\] (\w+)\((.*)", re.MULTILINE)


def _survey(workload: str, confiner: Path, log: Path) -> tuple[set[str], set[str]]:
    """System calls that the preloaded library makes by its own instruction, before the filter and after."""
    library = get_allocator("hakmem").library
    assert library is not None
    spec = make_brief(workload)
    assert spec.operations is not None
    words = [str(RUNNER), "--workload", workload, "--seed", "11", "--threads", "3"]
    words += ["--operations", str(spec.operations // 3)]
    words += [word for name, value in spec.parameters.items() for word in ("--param", f"{name}={value:g}")]
    preload = preload_environment({**BUSY, "purge.background": False}, run_environment(None))
    subprocess.run(
        ["strace", "-f", "-i", "-o", log, "-E", f"LD_PRELOAD={library}:{confiner}", *words],
        env={name: value for name, value in preload.items() if name != "LD_PRELOAD"},
        capture_output=True,
        timeout=CAP_S,
        check=True,
    )
    before: set[str] = set()
    after: set[str] = set()
    start = end = 0
    names, descriptor = before, ""
    for instruction, name, rest in _CALL.findall(log.read_text()):
        if name == "openat" and f'"{library}"' in rest:
            descriptor = rest.rsplit(" ", 1)[1]
        elif name == "mmap" and descriptor and f", {descriptor}, 0) = " in rest:
            start = int(rest.rsplit(" ", 1)[1], 16)
            end = start + int(rest.split(", ")[1])
            descriptor = ""
        elif name == "prctl" and rest.startswith("PR_SET_SECCOMP"):
            names = after
        elif start <= int(instruction, 16) < end:
            names.add(name)
    return before, after


def test_what_is_called_before_and_after(folder: Path) -> None:
    confiner = _compile(folder / "confiner.so", "-shared", "-fPIC", "-DLIBRARY")
    found = {name: _survey(name, confiner, folder / "log") for name in known_workloads()}
    for name, (before, after) in found.items():
        sys.stdout.write(f"{name}: {' '.join(sorted(before))} | {' '.join(sorted(after))}\n")
    assert all({"mmap", "openat"} <= before for before, _ in found.values())
    assert {name: after - ALLOWED for name, (_, after) in found.items() if after - ALLOWED} == {}
    assert set.union(*(after for _, after in found.values())) >= {"mmap", "munmap"}


def test_an_attempt_that_failed_changes_nothing(folder: Path) -> None:
    confiner = _compile(folder / "failing.so", "-shared", "-fPIC", "-DLIBRARY", "-DFAILS")
    _, after = _survey("fragmentation", confiner, folder / "log")
    assert "madvise" in after
