"""Instructions of C++'s operators while the thread's cache serves: golden counts, under callgrind.

One pair of runs counts all 20 at once: what a call spends in the operator's own code, which is all that it
spends unless a bin is empty, full or due. So none of them tests whether the program replaced what it is
defined by; that they reach a replacement all the same is shown in tests/contracts/test_replaced.py.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment

HERE = Path(__file__).parent
MOST_INSTRUCTIONS = {"malloc": 16.1, "free": 17.1, "aligned_alloc": 21.1}
SHORT, LONG = 20_000, 60_000


@pytest.fixture(scope="module")
def instructions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Instructions of one call of each function in its own code."""
    folder, source = tmp_path_factory.mktemp("operators"), HERE / "operators.c"
    program = folder / "operators"
    subprocess.run(["gcc", "-O2", "-fno-builtin", "-o", program, source, "-lstdc++"], check=True)
    counts = count_instructions(program, LONG, folder / "counts")
    counts.subtract(count_instructions(program, SHORT, folder / "counts"))
    uses = Counter(re.findall(r"\w+(?=\()", source.read_text().partition("int main")[2]))
    return {name: count / (LONG - SHORT) / max(uses[name], 1) for name, count in counts.items()}


def count_instructions(program: Path, operations: int, file: Path) -> Counter[str]:
    preload = run_environment(get_allocator("hakmem").library) | {"HAKMEM_CLOCK_MODE": "operations"}
    command = ["valgrind", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={file}"]
    subprocess.run(
        [*command, program, str(operations)], env=preload, capture_output=True, timeout=300, check=True
    )
    listing = subprocess.run(
        ["callgrind_annotate", "--threshold=100", "--auto=no", file],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # A function has a line for each file from which something is inlined into it. Paths below the working
    # folder are relative to it.
    counts: Counter[str] = Counter()
    for count, name in re.findall(r"^ *([\d,]+) \(.*?\)\s+(?:\S*/)?native/\S+?:(\w+)", listing, re.MULTILINE):
        counts[name] += int(count.replace(",", ""))
    return counts


def find(pattern: str, instructions: dict[str, float]) -> dict[str, float]:
    return {name: count for name, count in instructions.items() if re.fullmatch(pattern, name)}


def test_an_operator_takes_no_more_than_the_call_that_it_stands_for(instructions: dict[str, float]) -> None:
    for call, most in MOST_INSTRUCTIONS.items():
        assert most - 2 < instructions[call] <= most
    for call, count, pattern in (
        ("malloc", 4, r"_Zn[wa]m(?:RKSt9nothrow_t)?"),
        ("aligned_alloc", 4, r"_Zn[wa]mSt11align_val_t(?:RKSt9nothrow_t)?"),
        ("free", 12, r"_Zd[la]Pvm?(?:St11align_val_t)?(?:RKSt9nothrow_t)?"),
    ):
        operators = find(pattern, instructions)
        assert len(operators) == count
        assert max(operators.values()) <= instructions[call] + 0.1, operators
    assert sum(find(r"\w+_(?:slowly|missed|above_tiny)", instructions).values()) < 1


def test_the_fast_path_of_each_lies_in_a_line(instructions: dict[str, float]) -> None:
    """In one line of code; with an alignment, whose check and rounding take more, in two."""
    library = get_allocator("hakmem").library
    listing = subprocess.run(
        ["objdump", "-d", "--no-show-raw-insn", str(library)], capture_output=True, text=True, check=True
    ).stdout
    operators = find(r"_Z[nd].*(?<!_slowly)(?<!_missed)(?<!_above_tiny)", instructions)
    assert len(operators) == 20
    for name in ("malloc", "free", *operators):
        code = re.search(rf"^([0-9a-f]+) <{name}>:\n((?:.+\n)+)", listing, re.MULTILINE)
        assert code, name
        start = int(code[1], 16)
        last = int(re.findall(r"^ +([0-9a-f]+):\tret", code[2], re.MULTILINE)[-1], 16)
        assert start % 64 == 0, name
        assert last - start < (128 if re.match(r"_Zn.*align", name) else 64), name
