"""What tests of worker processes share."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.child_processes import own_children
from workbench.processes import Run, run
from workbench.processes.group import group_path


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """No child process, no zombie, and no thread but the launcher."""
    run(Run("random_mixed", operations=1, allocator="glibc"))  # makes the launcher
    threads = set(threading.enumerate())
    children = own_children()
    yield
    assert own_children() <= children
    assert set(threading.enumerate()) <= threads


@pytest.fixture
def named() -> Iterator[Path]:
    """File of a named group; there is none yet."""
    path = group_path(f"test-{os.getpid()}")
    yield path
    path.unlink(missing_ok=True)
