"""gcc and g++ make the same objects, and what they make works, under hakmem."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SOURCES = ["allocator/superslab.c", "workloads/session.c", "block/reader.c"]
INCLUDED = [
    "include",
    "system",
    "tables",
    "block",
    "allocator",
    "workloads",
    f"processor/{platform.machine()}",
]


@pytest.mark.parametrize("source", SOURCES)
def test_c_sources_become_the_same_objects(
    source: str, repository: Path, run_both_ways: Callable[..., Any]
) -> None:
    native = repository / "native"
    options = ["-O1", "-D_GNU_SOURCE", "-DHAK_DEBUG=0", *(f"-I{native / name}" for name in INCLUDED)]
    done = run_both_ways("gcc", "-c", *options, native / source, "-o", "out.o")
    assert list(done.files) == ["out.o"]


def test_a_cxx_program_is_compiled_and_linked_alike_and_works(
    run_both_ways: Callable[..., Any], tmp_path: Path
) -> None:
    compiled = run_both_ways(
        "g++", "-c", "-O1", "-std=c++17", "-pthread", HERE / "cxx_work.cpp", "-o", "out.o"
    )
    assert list(compiled.files) == ["out.o"]
    made = tmp_path / "preloaded-0" / "out.o"
    linked = run_both_ways("g++", made, "-pthread", "-o", "cxx_work")
    assert list(linked.files) == ["cxx_work"]
    worked = run_both_ways(tmp_path / "preloaded-1" / "cxx_work")
    assert worked.stdout.endswith(b"all done\n")
