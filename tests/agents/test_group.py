"""A program under the agent that starts in a group begins with the group's settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.conftest import run_evaluator
from workbench.processes.group import GROUP_VARIABLE, group_path
from workbench.processes.group_block import GroupBlock


@pytest.fixture
def named() -> Iterator[Path]:
    path = group_path(f"agents-{os.getpid()}")
    yield path
    path.unlink(missing_ok=True)


def test_it_begins_with_the_settings_of_its_group(named: Path) -> None:
    with run_evaluator("jemalloc", "jemalloc", **{GROUP_VARIABLE: str(named)}) as first:
        with GroupBlock(f"group:{named.name}") as group:
            assert group.pids == [first.pid]
            group.set({"arenas.dirty_decay_ms": 1234})
        with (
            run_evaluator("jemalloc", "jemalloc", **{GROUP_VARIABLE: str(named)}) as second,
            second.open() as block,
        ):
            block.snapshot()  # the agent has measured, and before it has set
            assert block.effective().values["arenas.dirty_decay_ms"] == 1234
