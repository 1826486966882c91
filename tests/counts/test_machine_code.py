"""The machine code of the fast paths: no locked instruction, and nothing global is read, so no setting.

The functions consist of the hit path and of jumps to the slow one, so every instruction of theirs counts.
"""

from __future__ import annotations

import re
import subprocess
from functools import cache

import pytest

from workbench.allocators import get_allocator

FUNCTIONS = (
    "malloc", "calloc", "free", "free_sized", "__libc_malloc", "__libc_free",
    "_Znwm", "_Znam", "_ZnwmRKSt9nothrow_t", "_Znwm_above_tiny", "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm",
    "_ZnwmSt11align_val_t", "_ZnamSt11align_val_tRKSt9nothrow_t", "aligned_alloc",
    "realloc", "reallocarray", "move_block", "malloc_usable_size",
    "hak_malloc", "hak_calloc", "hak_free", "hak_free_sized", "hak_realloc", "hak_malloc_usable_size",
    "malloc_above_tiny", "malloc_above_tiny_at",
)  # fmt: skip
# Where a fast path leaves for: the slow path, clearing or copying a block, the path of larger sizes.
SLOW = re.compile(r"heap_\w+|\w+_(?:slowly|missed)(?:\.\w+)*")
LEAVES = re.compile(rf"{SLOW.pattern}|mem(?:set|cpy)@plt|(?:malloc|_Z\w+)_above_tiny(?:_at)?|move_block")


@cache
def run_on_library(*words: str) -> str:
    command = [*words, str(get_allocator("hakmem").library)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@cache
def disassemble() -> dict[str, list[str]]:
    """Instructions of each function; of those that are there twice (static ones), all."""
    functions: dict[str, list[str]] = {}
    current: list[str] = []
    for line in run_on_library("objdump", "-d", "--no-show-raw-insn").splitlines():
        if title := re.match(r"[0-9a-f]+ <([^>]+)>:", line):
            current = functions.setdefault(title[1], [])
        elif instruction := re.match(r" +[0-9a-f]+:\t(.+)", line):
            current.append(instruction[1].strip())
    return functions


def list_thread_offsets() -> set[int]:
    """Addresses of the words in which the loader leaves the places of thread variables."""
    listing = run_on_library("readelf", "--relocs", "--wide")
    return {int(line.split()[0], 16) for line in listing.splitlines() if "R_X86_64_TPOFF64" in line}


def get_symbol_address(name: str) -> int:
    listing = run_on_library("readelf", "--syms", "--wide")
    found = re.search(rf"^ *\d+: ([0-9a-f]+) .* {name}$", listing, flags=re.MULTILINE)
    assert found
    return int(found[1], 16)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_instruction_is_locked(name: str) -> None:
    code = disassemble()[name]
    assert any(line.startswith("ret") or "memset" in line for line in code), "the hit path ends here"
    # xchg with memory locks without saying so.
    assert [line for line in code if re.match(r"lock\b|xchg .*\(|xacquire|mfence", line)] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_global_is_read(name: str) -> None:
    # A setting is a word of a global structure, which would be addressed relative to the program counter.
    allowed = list_thread_offsets() | {get_symbol_address("block_shapes")}  # a table of constants
    read = [line for line in disassemble()[name] if "(%rip)" in line]
    assert read, "the place of the thread's cache is read somewhere"
    assert [line for line in read if int(re.findall(r"# ([0-9a-f]+)", line)[0], 16) not in allowed] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_leaves_for_the_slow_path_only(name: str) -> None:
    targets = {
        found[1]
        for line in disassemble()[name]
        if (found := re.match(r"(?:j\w+|call) +[0-9a-f]+ <([^>+]+)(?:\+0x[0-9a-f]+)?>", line))
    }
    assert [target for target in targets if target != name and not LEAVES.fullmatch(target)] == []
    assert any(SLOW.fullmatch(target) for target in targets)


def test_a_locked_instruction_would_be_seen() -> None:
    locked = [name for name, code in disassemble().items() if any(line.startswith("lock") for line in code)]
    assert any(name.startswith(("tls_cache_free", "central_")) for name in locked), locked


@pytest.mark.parametrize("name", ["dlopen", "dlmopen"])
def test_dlopen_ends_in_a_jump(name: str) -> None:
    """So that the C library's own finds the address of who called it."""
    for function in (name, f"first_{name}"):
        code = disassemble()[function]
        assert not any(line.startswith("ret") for line in code)
        assert any(re.match(r"jmp +(\*|[0-9a-f]+ <dlm?open>)", line) for line in code)
    assert not any(line.startswith("call") for line in disassemble()[name])


@pytest.mark.parametrize("library", ["libhakmem.so", "libhakmem-record.so"])
def test_a_debugger_knows_what_malloc_gives(library: str) -> None:
    """For each string in an expression gdb calls malloc: with line tables alone it would take it for void."""
    path = get_allocator("hakmem").library
    assert path is not None
    dump = subprocess.run(
        ["readelf", "--debug-dump=info", path.with_name(library)], capture_output=True, text=True, check=True
    ).stdout
    entries = re.split(r"\n <1>", dump)
    (malloc,) = (
        entry
        for entry in entries
        if re.search(r": malloc\n", entry) and "DW_AT_low_pc" in entry.split("\n <2>")[0]
    )
    assert "DW_AT_type" in malloc.split("\n <2>")[0]
    assert "DW_TAG_formal_parameter" in malloc
