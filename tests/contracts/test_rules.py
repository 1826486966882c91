"""The allocation API's contract: every rule of the three programs, under every allocator.

The rules stand in the C sources beside this file. Where a peer differs from the rule by its own design
or a known fault of its build, the pair stands below with the reason, and is not asked of it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from workbench.allocators import allocators, get_allocator, run_environment

HERE = Path(__file__).parent
TIMEOUT_S = 120
PROGRAMS = {
    "allocation_rules.c": ("cc", "-std=gnu11"),
    "thread_rules.c": ("cc", "-std=gnu11"),
    "cxx_rules.cpp": ("c++", "-std=c++17"),
}

NO_ERRNO = "sets no errno, or EOVERFLOW, when the size itself is impossible"
ODD_ALIGNMENT = "refuses an alignment that is no power of two, as C does"
C_BUILD = "is built as C, where operator new cannot throw: it aborts"
DIFFERENCES = {
    ("jemalloc", "pvalloc_rounds_up_to_pages"): "5.3.0 has no pvalloc: the block is the C library's",
    ("jemalloc", "realloc_that_fails_keeps_the_block"): NO_ERRNO,
    ("jemalloc", "memalign_rounds_odd_alignments_up"): ODD_ALIGNMENT,
    ("jemalloc", "other_names_of_glibc_mean_the_same_blocks"): "5.3.0 of Debian does not export them",
    ("jemalloc", "cfree_frees"): "5.3.0 of Debian does not export it",
    ("tcmalloc", "calloc_overflow_gives_null_and_enomem"): NO_ERRNO,
    ("tcmalloc", "memalign_rounds_odd_alignments_up"): "does not always round it up",
    ("tcmalloc", "mallopt_accepts_what_glibc_accepts"): "says 1 to everything",
    ("mimalloc2", "memalign_rounds_odd_alignments_up"): ODD_ALIGNMENT,
    ("mimalloc2", "impossible_sizes_give_null_and_enomem"): NO_ERRNO,
    ("mimalloc2", "calloc_overflow_gives_null_and_enomem"): NO_ERRNO,
    ("mimalloc2", "realloc_that_fails_keeps_the_block"): NO_ERRNO,
    ("mimalloc2", "new_throws_bad_alloc"): C_BUILD,
    ("mimalloc2", "new_calls_the_new_handler"): C_BUILD,
    ("mimalloc2", "new_of_aligned_types"): "2.0.9 misaligns new of 256 and 512 bytes alignment",
    ("mimalloc2", "every_size_has_every_alignment"): "2.0.9 misaligns new of 256 and 512 bytes alignment",
    ("mimalloc3", "memalign_rounds_odd_alignments_up"): ODD_ALIGNMENT,
    ("mimalloc3", "impossible_sizes_give_null_and_enomem"): NO_ERRNO,
    ("mimalloc3", "calloc_overflow_gives_null_and_enomem"): NO_ERRNO,
    ("mimalloc3", "realloc_that_fails_keeps_the_block"): NO_ERRNO,
    ("mimalloc3", "reallocarray_checks_the_product"): NO_ERRNO,
    ("mimalloc3", "new_throws_bad_alloc"): C_BUILD,
    ("mimalloc3", "new_calls_the_new_handler"): C_BUILD,
}
ALLOCATORS = [allocator.name for allocator in allocators() if allocator.available]


def read_rules() -> list[tuple[str, str]]:
    rule = re.compile(r"^RULE\((\w+)\)", re.MULTILINE)
    return [(source, name) for source in PROGRAMS for name in rule.findall((HERE / source).read_text())]


CASES = [
    pytest.param(allocator, source, rule, id=f"{allocator}-{rule}")
    for allocator in ALLOCATORS
    for source, rule in read_rules()
    if (allocator, rule) not in DIFFERENCES
]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The three programs, compiled against plain malloc."""
    folder = tmp_path_factory.mktemp("rules")
    built = {}
    for source, (compiler, standard) in PROGRAMS.items():
        program = folder / Path(source).stem
        # Without -fno-builtin the compiler knows what malloc does, and leaves out what is tested.
        options = [
            standard,
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fno-builtin",
            "-D_GNU_SOURCE",
            "-pthread",
        ]
        path = shutil.which(compiler)
        assert path is not None, f"{compiler} is needed to build {source}"
        subprocess.run([path, *options, str(HERE / source), "-o", str(program)], check=True)
        built[source] = program
    return built


@pytest.mark.parametrize(("allocator", "source", "rule"), CASES)
def test_rule(allocator: str, source: str, rule: str, programs: dict[str, Path]) -> None:
    answer = subprocess.run(
        [programs[source], rule],
        env=run_environment(get_allocator(allocator).library),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert answer.returncode == 0, f"exit {answer.returncode}: {answer.stderr.strip()}"


def test_hakmem_and_glibc_are_asked_everything() -> None:
    assert {"hakmem", "glibc"} <= set(ALLOCATORS)
    assert not {allocator for allocator, _ in DIFFERENCES} & {"hakmem", "glibc"}


def test_every_difference_names_a_rule() -> None:
    rules = {rule for _, rule in read_rules()}
    assert {rule for _, rule in DIFFERENCES} <= rules
