"""Other libraries that allocate in odd places: in wrappers of system calls, in handlers of fork, and programs
that make children in a signal handler that interrupted malloc."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment

HERE = Path(__file__).parent
CAP_S = 120.0
COMPILE = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-pthread", "-D_GNU_SOURCE"]
# What the allocator, or a part of it, has ever called.
WRAPPED = {
    "memory": "mmap munmap mremap madvise mprotect",
    "files": "open openat read close fcntl mkdir unlink unlinkat fstat fchmod ftruncate fallocate fstatfs",
    "identity": "getpid getuid geteuid getrlimit sched_getaffinity getauxval syscall prctl",
    "time": "clock_gettime gettimeofday nanosleep time",
    "threads": "pthread_key_create pthread_setspecific pthread_getspecific pthread_self",
}


def _compile(source: str, target: Path, *options: str) -> Path:
    subprocess.run([*COMPILE, HERE / source, "-o", target, *options], check=True, timeout=CAP_S)
    return target


def _run(*command: str | Path, preload: list[Path]) -> str:
    done = subprocess.run(
        command,
        env=run_environment(None) | {"LD_PRELOAD": ":".join(map(str, preload))},
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wrappers")


@pytest.fixture(scope="module")
def wrapped(folder: Path) -> Path:
    return _compile("wrapped.c", folder / "wrapped")


@pytest.fixture(scope="module")
def allocator() -> Path:
    library = get_allocator("hakmem").library
    assert library is not None
    return library


@pytest.mark.parametrize("is_first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("group", [*WRAPPED, "all"])
def test_wrappers_may_allocate(
    folder: Path, wrapped: Path, allocator: Path, group: str, is_first: bool
) -> None:
    names = " ".join(WRAPPED.values()) if group == "all" else WRAPPED[group]
    library = _compile(
        "wrappers.c",
        folder / f"{group}.so",
        "-shared",
        "-fPIC",
        "-fno-builtin",
        "-Wno-builtin-declaration-mismatch",
        f"-DWRAPPED={' '.join(f'WRAP({wrapper})' for wrapper in names.split())}",
    )
    preload = [library, allocator] if is_first else [allocator, library]
    said = _run(wrapped, preload=preload)
    assert said.startswith("ok, ")
    # Some are called by nobody else here: the sum says that the wrappers are in place.
    assert group != "all" or int(said.removeprefix("ok, ")) > 0


@pytest.mark.parametrize("options", [(), ("-Wl,-z,initfirst",)], ids=["plain", "initfirst"])
def test_handlers_of_fork_may_allocate(folder: Path, allocator: Path, options: tuple[str, ...]) -> None:
    library = _compile(
        "wrappers.c", folder / f"libhandlers{len(options)}.so", "-shared", "-fPIC", "-DHANDLERS", *options
    )
    program = _compile("wrapped.c", folder / f"handled{len(options)}", "-Wl,--no-as-needed", str(library))
    said = _run(program, preload=[allocator])
    assert int(said.removeprefix("ok, ")) == 3 * 2  # the parent's of three forks


@pytest.mark.parametrize("way", ["fork", "_Fork", "vfork", "spawn"])
@pytest.mark.parametrize(
    ("end", "threads"), [("end", 0), ("return", 0), ("end", 2)], ids=["ends", "returns", "beside-threads"]
)
def test_a_signal_handler_makes_children(
    folder: Path, allocator: Path, way: str, end: str, threads: int
) -> None:
    program = folder / "interrupted"
    if not program.exists():
        _compile("interrupted.c", program)
    said = _run(program, way, end, str(threads), "25", preload=[allocator])
    assert said == "25 children\n"
