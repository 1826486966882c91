"""What tests of experiments share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.child_processes import own_children
from workbench.processes import Run, run


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """No child process but a browser, no zombie, and no thread but the launcher."""
    run(Run("random_mixed", operations=1, allocator="glibc"))  # makes the launcher
    threads = set(threading.enumerate())
    children = own_children()
    yield
    assert own_children() <= children
    left = set(threading.enumerate()) - threads
    # The client of notebooks keeps one for the calling thread, for as long as that lives.
    assert {thread.name for thread in left} <= {f"{threading.main_thread().name} - runner"}
