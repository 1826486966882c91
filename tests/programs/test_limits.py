"""Programs whose memory is limited, by others or by themselves: malloc says NULL at the limit, not before."""

from __future__ import annotations

import os
import resource
import subprocess
from itertools import permutations
from pathlib import Path

import pytest

from workbench.allocators import run_environment
from workbench.processes import preload_environment

HERE = Path(__file__).parent
CAP_S = 120.0
KIB = 1024
SIZES = ("100", "5000", "100000", "3000000")  # one of each component


def build(folder: Path, name: str) -> Path:
    command: list[str | Path] = [
        "gcc",
        "-O1",
        "-fno-builtin",
        "-pthread",
        HERE / f"{name}.c",
        "-o",
        folder / name,
        "-ldl",
    ]
    subprocess.run(command, check=True, timeout=CAP_S)
    return folder / name


@pytest.fixture(scope="module")
def limited_memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of that name, built."""
    return build(tmp_path_factory.mktemp("programs"), "limited_memory")


@pytest.fixture(scope="module")
def own_limits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of that name, built."""
    return build(tmp_path_factory.mktemp("programs"), "own_limits")


def run_limited(program: Path, limit_kib: int, *sizes: str, of_what: int = resource.RLIMIT_AS) -> list[int]:
    """What the program had of each size, in MiB."""

    def limit() -> None:
        resource.setrlimit(of_what, (limit_kib * KIB, limit_kib * KIB))

    done = subprocess.run(
        [program, *sizes],
        env=preload_environment({}, run_environment(None)),
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [int(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("limit_kib", [2_000_000, 200_000, 60_000, 20_000])
def test_out_of_address_space_malloc_says_so_and_the_program_goes_on(
    limit_kib: int, limited_memory: Path
) -> None:
    assert len(run_limited(limited_memory, limit_kib, "5000")) == 1


@pytest.mark.parametrize("sizes", list(permutations(SIZES, 2)), ids="-then-".join)
def test_what_one_size_gave_back_another_can_have(sizes: tuple[str, str], limited_memory: Path) -> None:
    limit_mib = 300
    first, second = run_limited(limited_memory, limit_mib * KIB, *sizes)
    assert min(first, second) > limit_mib * 0.6


@pytest.mark.parametrize("size", ["100", "1000", "30000", "200000", "5000000"])
@pytest.mark.parametrize("limit_mib", [200, 20])
def test_a_limit_of_writable_memory_is_for_blocks(limit_mib: int, size: str, limited_memory: Path) -> None:
    (had,) = run_limited(limited_memory, limit_mib * KIB, size, of_what=resource.RLIMIT_DATA)
    assert limit_mib * 0.6 < had <= limit_mib


def run_own_limits(program: Path, *words: str) -> list[str]:
    done = subprocess.run(
        [program, *words],
        env=preload_environment({}, run_environment(None)),
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout.split()


def test_a_start_takes_no_more_than_it_uses(own_limits: Path) -> None:
    # The C library, the program and the control block are in the first: 10 and 2 MiB were seen.
    space_mib, writable_mib = (int(word) for word in run_own_limits(own_limits, "start"))
    assert space_mib <= 16
    assert writable_mib <= 4


@pytest.mark.parametrize("size", ["100", "5000", "100000", "3000000"])
@pytest.mark.parametrize(("limit", "limit_mib"), [("space", 1024), ("space", 64), ("data", 64)])
def test_a_program_may_limit_itself_after_its_first_malloc(
    limit: str, limit_mib: int, size: str, own_limits: Path
) -> None:
    had, error = run_own_limits(own_limits, limit, str(limit_mib), size)
    assert error == "ENOMEM"
    assert limit_mib * 0.5 < int(had) <= limit_mib


@pytest.mark.parametrize("words", [["locked"], ["locked", "onfault"]], ids="-".join)
def test_a_program_that_locks_all_memory_locks_what_it_uses(words: list[str], own_limits: Path) -> None:
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] != resource.RLIM_INFINITY and os.geteuid() != 0:
        pytest.skip("needs the right to lock 200 MiB")
    first_mib, locked_mib, last_mib = (int(word) for word in run_own_limits(own_limits, *words))
    assert max(first_mib, locked_mib) <= 16
    assert last_mib <= 32  # of 50 MiB that were there before most was freed


def test_what_no_machine_has_is_refused_at_once(own_limits: Path) -> None:
    if Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "1":
        pytest.skip("this system promises any amount of memory (vm.overcommit_memory=1)")
    assert run_own_limits(own_limits, "machine") == ["ENOMEM"]
