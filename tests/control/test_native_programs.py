"""The small programs of tests/native that exercise writer and reader in C."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "name", ["block_events", "block_sets", "block_killed_setter", "block_fork", "block_damage"]
)
def test_program_succeeds(native_program: Callable[[str], Path], name: str) -> None:
    result = subprocess.run(
        [str(native_program(name))], capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, result.stderr
