"""The programs of this folder that test the allocator from inside, and a short run of the stress test."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAMS = {
    "adoption": [],
    "agent_threads": [],
    "clock": [],
    "children": [],
    "telemetry_table": [],
    "tls_cache": [],
    "outbox": [],
    "range": [],
    "l25_pool": [],
    "big_cache": [],
    "big_fit": [],
    "stress": ["--operations", "100000", "--threads", "3", "--seed", "7"],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_succeeds(native_program: Callable[[str], Path], name: str) -> None:
    command = [str(native_program(name)), *PROGRAMS[name]]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"{name}: ok")


@pytest.mark.parametrize(
    "arguments", [["--operations", "many"], ["--threads", "0"], ["--loud", "1"], ["--seed"]]
)
def test_stress_says_what_is_wrong(native_program: Callable[[str], Path], arguments: list[str]) -> None:
    command = [str(native_program("stress")), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert run.stderr.strip().count("\n") == 0
