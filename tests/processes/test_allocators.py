"""Every allocator is found with its version, or said to be missing with the package to install."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from workbench.errors import MissingAllocator
from workbench.processes import allocators, get_allocator
from workbench.processes.allocators import run_environment

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
    # The package's function of the same name hides the module from `import ... as`.
    module = importlib.import_module("workbench.processes.allocators")
    broken = tmp_path / "libjemalloc.so.2"
    broken.write_bytes(b"no library")
    source = next(source for source in module._SOURCES if source.name == "jemalloc")
    changed = module._Source(source.name, source.identity, source.package, source.remedy, lambda: broken)
    monkeypatch.setattr(module, "_SOURCES", (changed,))
    (allocator,) = module.allocators()
    assert (allocator.available, allocator.version, allocator.library) == (False, None, None)
    with pytest.raises(MissingAllocator, match=r"cannot be used; .* cannot be preloaded \(file too short"):
        get_allocator("jemalloc")
    broken.unlink()
    monkeypatch.setattr(
        module, "_SOURCES", (module._Source("jemalloc", "jemalloc", "p", "install it", lambda: None),)
    )
    with pytest.raises(MissingAllocator, match="allocator jemalloc is missing; install it"):
        get_allocator("jemalloc")


def test_a_run_inherits_no_allocator_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HAKMEM_TLS_MAX_SLOTS", "MALLOC_ARENA_MAX", "LD_PRELOAD", "MIMALLOC_VERBOSE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KEPT", "1")
    environment = run_environment(Path("/lib/some.so"))
    assert environment["LD_PRELOAD"] == "/lib/some.so"
    assert environment["KEPT"] == "1"
    assert not [name for name in environment if name.startswith(("HAKMEM_", "MALLOC_", "MIMALLOC_"))]
