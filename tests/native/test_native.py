"""The programs of this folder that test the allocator from inside, and a short run of the stress test."""

from __future__ import annotations

import os
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
    "ghosts": [],
    "marginal": [],
    "samples": [],
    "events": [],
    "outbox": [],
    "range": [],
    "l25_pool": [],
    "big_cache": [],
    "big_fit": [],
    "big_ghosts": [],
    "stress": ["--operations", "100000", "--threads", "3", "--seed", "7"],
}


# As on 64-bit ARM, where the kernel chooses; this one's pages are of 4 KiB.
@pytest.mark.parametrize("page_bytes", [4096, 16384, 65536])
@pytest.mark.parametrize("name", PROGRAMS)
def test_program_succeeds(native_program: Callable[[str], Path], name: str, page_bytes: int) -> None:
    command = [str(native_program(name)), *PROGRAMS[name]]
    environment = os.environ | {"TEST_PAGE_BYTES": str(page_bytes)}
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
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
