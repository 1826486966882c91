"""What asks before it acts on a running program also ends well where nobody answers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import run_workbench, start, wait_until


@pytest.fixture
def pid() -> Iterator[int]:
    with start(["sleep", "1000"]) as process:
        wait_until(
            lambda: Path(f"/proc/{process.pid}/exe").resolve().name != Path(sys.executable).resolve().name
        )
        yield process.pid


@pytest.mark.parametrize("command", ["inject", "record"])
def test_nobody_answers(command: str, pid: int, tmp_path: Path) -> None:
    before = (
        ["inject", pid] if command == "inject" else ["record", "--pid", pid, "-o", tmp_path / "a.haktrace"]
    )
    said = run_workbench(*before, stdin="")
    assert said.status == 2, said.stderr
    assert said.stderr.endswith("\nworkbench: nobody is here to answer: give --yes\n")
    assert not [*tmp_path.iterdir()]


def test_a_no_is_no_wrong_input(pid: int) -> None:
    said = run_workbench("inject", pid, stdin="n\n")
    assert said.status == 130
    assert "nobody is here" not in said.stderr
