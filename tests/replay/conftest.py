"""Plans of these tests are kept in a folder of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.child_processes import own_children
from tests.replay import programs
from workbench.traces import Trace


@pytest.fixture(autouse=True)
def plan_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the plans."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hakmem" / "plans"


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """No runner outlives its test."""
    before = own_children()
    yield
    assert own_children() <= before


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A trace of one thread: every kind of call, sizes from nothing to 300 KiB."""
    return programs.write(tmp_path / "mixed.haktrace", programs.mixed(6000, seed=3))


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A trace of a producer whose blocks are freed by two threads each of three generations."""
    return programs.write(tmp_path / "pipeline.haktrace", programs.pipeline(3, 2, 1500))


def count_events(path: Path) -> int:
    """Allocations, reallocs and frees of a trace."""
    with Trace.open(path) as trace:
        return sum(int((chunk.kind <= 4).sum()) for chunk in trace.chunks())
