"""Programs whose address space is limited: malloc says NULL, and what is given back is of use again."""

from __future__ import annotations

import resource
import subprocess
from itertools import permutations
from pathlib import Path

import pytest

from workbench.processes import preload_environment
from workbench.processes.allocators import run_environment

HERE = Path(__file__).parent
CAP_S = 120.0
KIB = 1024
SIZES = ("100", "5000", "100000", "3000000")  # one of each component


@pytest.fixture(scope="module")
def limited_memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of that name, built."""
    program = tmp_path_factory.mktemp("programs") / "limited_memory"
    source = HERE / "limited_memory.c"
    subprocess.run(["gcc", "-O1", "-fno-builtin", source, "-o", program], check=True, timeout=CAP_S)
    return program


def run_limited(program: Path, limit_kib: int, *sizes: str) -> list[int]:
    """What the program had of each size, in MiB."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit_kib * KIB, limit_kib * KIB))

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
