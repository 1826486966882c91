"""Wrong programs: each ends as documented at every check level, with one line that names the address."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FOREIGN = "belongs to no live block of this allocator"
MISALIGNED = "is not the start of a block"
FREED = "was freed before"

# Case: the lowest level that notices it, what is wrong with the address, what the address belongs to.
# Below that level a wrong pointer that looks right is taken at its word, as by every allocator.
CASES = {
    "double_free_tiny": (2, FREED, "byte 0 of a block of 112 bytes"),
    "double_free_mid": (2, FREED, "byte 0 of a block of 5632 bytes"),
    "double_free_large": (1, FREED, "byte 0 of a block of 524288 bytes"),
    "double_free_big": (1, FREED, "byte 0 of a big block of 500"),
    "double_free_in_another_thread": (2, FREED, "byte 0 of a block of 112 bytes"),
    "double_free_after_a_flush": (2, FREED, "byte 0 of a block of 112 bytes"),
    "free_of_a_stack_address": (1, FOREIGN, "on this thread's stack"),
    "free_of_static_data": (1, FOREIGN, "/misuse"),
    "free_of_mapped_memory": (1, FOREIGN, "memory mapped by others"),
    "free_of_what_is_not_mapped": (1, FOREIGN, "nothing is mapped there"),
    "free_of_an_odd_address": (1, MISALIGNED, "byte 3 of a block of 112 bytes"),
    "free_inside_a_tiny_block": (2, MISALIGNED, "byte 8 of a block of 112 bytes"),
    "free_inside_a_large_block": (1, MISALIGNED, "byte 4096 of a block of 524288 bytes"),
    "free_inside_a_big_block": (1, MISALIGNED, "byte 4096 of a big block of 500"),
    "realloc_of_a_freed_tiny_block": (3, FREED, "byte 0 of a block of 112 bytes"),
    "realloc_of_a_freed_large_block": (1, FREED, "byte 0 of a block of 524288 bytes"),
    "realloc_of_a_foreign_address": (1, FOREIGN, "/misuse"),
    "realloc_inside_a_tiny_block": (1, MISALIGNED, "byte 8 of a block of 112 bytes"),
    "realloc_inside_a_mid_block": (1, MISALIGNED, "byte 8192 of a block of 22528 bytes"),
    "usable_size_of_a_foreign_address": (1, FOREIGN, "/misuse"),
    "usable_size_inside_a_tiny_block": (1, MISALIGNED, "byte 16 of a block of 112 bytes"),
    "usable_size_of_an_odd_address": (1, MISALIGNED, "byte 3 of a block of 112 bytes"),
}
NOTICED = [(case, level) for case, (lowest, _, _) in CASES.items() for level in range(lowest, 4)]


def run_case(program: Path, case: str, level: int, action: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HAKMEM_CHECK_LEVEL": str(level), "HAKMEM_CHECK_ACTION": action}
    return subprocess.run(
        [program, case], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_every_case_is_asked(native_program: Callable[[str], Path]) -> None:
    answer = subprocess.run([native_program("misuse"), "--list"], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == list(CASES)


@pytest.mark.parametrize(("case", "level"), NOTICED)
def test_abort_says_one_clear_line(native_program: Callable[[str], Path], case: str, level: int) -> None:
    answer = run_case(native_program("misuse"), case, level, "abort")
    assert answer.returncode == -signal.SIGABRT, answer.stderr
    _, problem, owner = CASES[case]
    pattern = rf"hakmem: \w+\(0x[0-9a-f]+\): this address {problem}; .*{re.escape(owner)}.*\n"
    assert re.fullmatch(pattern, answer.stderr)


@pytest.mark.parametrize(("case", "level"), NOTICED)
def test_refusal_is_counted_and_harmless(
    native_program: Callable[[str], Path], case: str, level: int
) -> None:
    answer = run_case(native_program("misuse"), case, level, "refuse")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout == "1 refused\n"


@pytest.mark.parametrize("case", [case for case, (lowest, _, _) in CASES.items() if lowest == 1])
def test_level_0_checks_nothing(native_program: Callable[[str], Path], case: str) -> None:
    answer = run_case(native_program("misuse"), case, 0, "abort")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "0 refused\n", "")
