"""The programs of this folder are served by hakmem when it is preloaded, their helpers too."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

STARTED = "[ADAPTIVE] Adaptive sizing initialized"
COMMANDS = {
    "python3": [sys.executable, "-c", "pass"],
    "git": ["git", "--version"],
    "sqlite3": ["sqlite3", ":memory:", "select 1"],
    "perl": ["perl", "-e", "1"],
    "redis-server": ["redis-server", "--version"],
    "redis-benchmark": ["redis-benchmark", "--version"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_it_allocates_from_hakmem(name: str, run_logged: Callable[..., str]) -> None:
    assert STARTED in run_logged(*COMMANDS[name])


@pytest.mark.parametrize(("driver", "suffix"), [("gcc", "c"), ("g++", "cpp")])
def test_a_compiler_and_its_passes_do(
    driver: str, suffix: str, run_logged: Callable[..., str], tmp_path: Path
) -> None:
    source = tmp_path / f"empty.{suffix}"
    source.write_text("int nothing;\n")
    errors = run_logged(driver, "-c", source, "-o", tmp_path / "empty.o")
    assert errors.count(STARTED) == 3  # the driver, the compiler proper, the assembler
