"""Functions and lines at offsets of files, as far as the files tell them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.symbols.conftest import LINE, Build, find_offset
from workbench.symbols import ModuleFile, Names, read_build


@pytest.mark.parametrize("options", [(), ("-static-pie",), ("-no-pie",), ("-fno-omit-frame-pointer",)])
def test_debug_information_tells_the_line(build: Build, options: tuple[str, ...]) -> None:
    path = build("-g", *options)
    offset = find_offset(path)
    name = Names().describe_call(
        str(path), offset + 1
    )  # a call that returns there is at the function's start
    assert name in {f"shop::add(int, int) (shop.cpp:{LINE - 1})", f"shop::add(int, int) (shop.cpp:{LINE})"}


def test_symbols_alone_tell_the_function(build: Build) -> None:
    path = build()
    assert Names().describe_call(str(path), find_offset(path) + 2) == f"shop::add(int, int)+0x2 ({path.name})"


def test_a_function_in_two_parts_has_its_own_name(tmp_path: Path) -> None:
    source = tmp_path / "parts.c"
    source.write_text(
        '__attribute__((cold, noinline)) int rare(int x) { __asm__ volatile(""); return x * 3; }\n'
        "__attribute__((noinline)) int often(int x)\n"
        "{ if (__builtin_expect(x > 90, 0)) return rare(x) * rare(x + 1) + 7; return x + 1; }\n"
        "__attribute__((noinline)) int again(int x)\n"
        "{ if (__builtin_expect(x > 80, 0)) return rare(x) * rare(x + 2) + 9; return x + 2; }\n"
        "int main(int count, char **words) { (void)words; return often(count) + again(count); }\n"
    )
    path = tmp_path / "parts"
    options = ["-g", "-O2", "-freorder-blocks-and-partition"]
    subprocess.run(["gcc", *options, "-o", path, source], check=True)
    file = ModuleFile(path)
    for name in ("often", "again"):
        for symbol in (f" {name}\n", f" {name}.cold\n"):
            offset = find_offset(path, symbol) + 1
            assert [place.function for place in file.find(offset)][-1] == name


def test_a_stripped_file_leaves_the_offset(build: Build) -> None:
    path = build()
    offset = find_offset(path)
    subprocess.run(["strip", path], check=True)
    names = Names()
    assert names.describe_call(str(path), offset + 2) == f"{path.name}+{offset + 2:#x}"
    file = names.open(str(path))
    assert file is not None
    assert file.find_rules(offset) is not None  # but it can be unwound


def test_only_the_build_that_was_meant_is_asked(build: Build) -> None:
    path, other = build("-g"), build("-g", "-DOTHER", "-O0")
    offset = find_offset(path)
    builds = {str(path): read_build(str(path))}
    assert "shop.cpp" in Names(builds=builds).describe_call(str(path), offset + 1)
    path.write_bytes(other.read_bytes())
    assert Names(builds=builds).describe_call(str(path), offset + 1) == f"{path.name}+{offset + 1:#x}"
    assert Names(builds={}).describe_call(str(other), offset + 1) == f"{other.name}+{offset + 1:#x}"


@pytest.mark.parametrize(
    "content", [b"", b"no program", b"\x7fELF" + bytes(60), b"\x7fELF\x02\x01\x01" + b"\xff" * 200]
)
def test_what_is_no_program_has_no_names(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises((OSError, ValueError)):
        ModuleFile(path)
    assert Names().describe_call(str(path), 0x40) == "file+0x40"
    assert read_build(str(path)) == ""


def test_a_file_cut_short_gives_no_wrong_name(build: Build) -> None:
    path = build("-g")
    offset = find_offset(path)
    content = path.read_bytes()
    for end in range(64, len(content), len(content) // 20):
        path.write_bytes(content[:end])
        name = Names().describe_call(str(path), offset + 1)
        assert name == f"{path.name}+{offset + 1:#x}" or name.startswith("shop::add(int, int)")


def test_what_lies_in_no_file_is_its_address() -> None:
    names = Names()
    assert names.describe_call("", 0x1234) == "?+0x1234"
    assert names.describe_call("[vdso]", 0x10) == "[vdso]+0x10"
    assert names.describe_call("/nowhere/libgone.so", 0x10) == "libgone.so+0x10"
