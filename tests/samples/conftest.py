"""A program whose allocations are known, under the preload and sampled."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import invoke
from workbench.allocators import get_allocator, run_environment

__all__ = ["Start", "invoke", "start"]

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Build the program with options of the compiler, and start it with `words`; it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(
        *options: str, interval_bytes: int = 4096, words: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        path = tmp_path / "shop"
        source = Path(__file__).with_name("shop.c")
        subprocess.run(["gcc", "-O1", *options, "-o", path, source], check=True, capture_output=True)
        environment = run_environment(get_allocator("hakmem").library)
        environment["HAKMEM_SAMPLE_INTERVAL_BYTES"] = str(interval_bytes)
        command = [str(path), *words]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe))
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline() == "ready\n"
        return started[-1]

    yield start
    for process in started:
        process.communicate()
