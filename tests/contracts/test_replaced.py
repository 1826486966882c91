"""Programs that replace a part of the allocation calls: the others are defined by that part, and call it.

Each prints how often its own calls were called. Without a preload the C++ runtime and glibc have the other
calls; hakmem exports them all, and the program must see the same. Every peer fails here.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment

HERE = Path(__file__).parent
OPTIONS = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-sized-deallocation", "-fno-builtin"]
CHOICES = (
    "NEW DELETE",
    "NEW",
    "DELETE",
    "ARRAY_NEW ARRAY_DELETE",
    "ALIGNED",
    "ALIGNED_ARRAY",
    "NOTHROW",
    "SIZED",
    "NEW DELETE ALIGNED",
    "NEW DELETE ARRAY_NEW ARRAY_DELETE ALIGNED ALIGNED_ARRAY",
)


def build(source: str, program: Path, *options: str) -> Path:
    subprocess.run(["c++", *OPTIONS, *options, HERE / source, "-o", program], check=True)
    return program


def run(allocator: str, *command: Path | str) -> str:
    environment = run_environment(get_allocator(allocator).library)
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode == 0, f"exit {answer.returncode}: {answer.stderr.strip()}"
    assert answer.stderr == ""
    return answer.stdout


@pytest.fixture(scope="module")
def array_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("library") / "array_library.so"
    return build("array_library.cpp", library, "-shared", "-fPIC")


@pytest.mark.parametrize("choice", CHOICES)
def test_operators_call_those_they_are_defined_by(tmp_path: Path, array_library: Path, choice: str) -> None:
    macros = [f"-D{macro}" for macro in choice.split()]
    program = build("replaced_operators.cpp", tmp_path / "program", *macros)
    expected = run("glibc", program, array_library)
    assert expected.startswith("4 nulls, calls: ")
    assert any(int(number) > 10 for number in expected.split()[3:])
    assert run("hakmem", program, array_library) == expected


def test_a_program_that_holds_the_cxx_runtime(tmp_path: Path, array_library: Path) -> None:
    """Its operators come from the static library: those it does not use, from here."""
    options = ["-DNEW", "-DDELETE", "-static-libstdc++", "-rdynamic"]
    program = build("replaced_operators.cpp", tmp_path / "program", *options)
    assert run("hakmem", program, array_library) == run("glibc", program, array_library)


def test_calls_go_through_the_malloc_that_a_program_brings(tmp_path: Path) -> None:
    program = build("own_malloc.cpp", tmp_path / "program")
    expected = run("glibc", program)
    assert expected == "20 mallocs, 16 frees\n"
    assert run("hakmem", program) == expected
    # The aligned forms, which that malloc does not have, stay with the allocator that has them.
    assert run("hakmem", program, "aligned") == expected


@pytest.mark.parametrize("allocator", ["glibc", "hakmem"])
def test_a_library_whose_operators_are_bound_to_itself(tmp_path: Path, allocator: str) -> None:
    library = build("bound_pool.cpp", tmp_path / "libpool.so", "-shared", "-fPIC", "-Wl,-Bsymbolic")
    source = tmp_path / "main.cpp"
    source.write_text('extern "C" int use_operators(); int main() { return use_operators(); }')
    program = tmp_path / "program"
    subprocess.run(["c++", source, library, f"-Wl,-rpath,{tmp_path}", "-o", program], check=True)
    assert run(allocator, program) == ""
