"""Every allocator is found with its version, or said to be missing with the package to install."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.allocators import TABLE_VARIABLE, allocators, get_allocator, run_environment
from workbench.errors import BadParameter, MissingAllocator

NAMES = ["hakmem", "glibc", "jemalloc", "tcmalloc", "mimalloc2", "mimalloc3"]


def test_all_six_are_known() -> None:
    assert [allocator.name for allocator in allocators()] == NAMES


@pytest.mark.parametrize("name", ["hakmem", "glibc"])
def test_ours_and_the_c_library_are_always_there(name: str) -> None:
    allocator = get_allocator(name)
    assert allocator.available
    assert allocator.version
    assert (allocator.library is None) == (name == "glibc")


@pytest.mark.parametrize("name", NAMES)
def test_one_is_there_with_its_version_or_missing_with_a_remedy(name: str) -> None:
    allocator = next(allocator for allocator in allocators() if allocator.name == name)
    if allocator.available:
        assert allocator.version is not None
        assert allocator.version[0].isdigit()
        assert name == "glibc" or (allocator.library is not None and allocator.library.is_file())
    else:
        assert allocator.package in allocator.remedy or name == "hakmem"
        with pytest.raises(MissingAllocator, match=name):
            get_allocator(name)


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(MissingAllocator, match="did you mean 'jemalloc'"):
        get_allocator("jemaloc")


def test_of_a_library_that_does_not_load_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "libpond.so"
    broken.write_bytes(b"no library")
    table = tmp_path / "allocators.toml"
    table.write_text(f'[pond]\nlibrary = "{broken}"\npackage = "p"\nremedy = "install it"\n')
    monkeypatch.setenv(TABLE_VARIABLE, str(table))
    allocator = allocators()[-1]
    assert (allocator.name, allocator.available, allocator.version) == ("pond", False, None)
    with pytest.raises(MissingAllocator, match=r"cannot be used; .* cannot be preloaded \(file too short"):
        get_allocator("pond")
    broken.unlink()
    with pytest.raises(MissingAllocator, match="allocator pond is missing; install it"):
        get_allocator("pond")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[pond", "no table of allocators"),
        ("pond = 1", "no table of allocators"),
        ("[pond]\ndepth = 1", "depth: an allocator has no such thing"),
    ],
)
def test_a_table_that_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    table = tmp_path / "allocators.toml"
    table.write_text(text)
    monkeypatch.setenv(TABLE_VARIABLE, str(table))
    with pytest.raises(BadParameter, match=told):
        allocators()


def test_a_run_inherits_no_allocator_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HAKMEM_TLS_MAX_SLOTS", "MALLOC_ARENA_MAX", "LD_PRELOAD", "MIMALLOC_VERBOSE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KEPT", "1")
    environment = run_environment(Path("/lib/some.so"))
    assert environment["LD_PRELOAD"] == "/lib/some.so"
    assert environment["KEPT"] == "1"
    assert not [name for name in environment if name.startswith(("HAKMEM_", "MALLOC_", "MIMALLOC_"))]
