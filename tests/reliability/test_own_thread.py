"""The allocator's own thread (purge.background) stays away where a program may have one thread, or none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workbench.allocators import run_environment
from workbench.processes import preload_environment

SOURCE = Path(__file__).parent / "own_thread.c"
CAP_S = 90.0


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own_thread") / "own_thread"
    options = ["-O1", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-pthread", "-D_GNU_SOURCE"]
    subprocess.run(["gcc", *options, SOURCE, "-o", path], check=True, timeout=CAP_S)
    return path


@pytest.mark.parametrize(
    ("way", "said"), [("unshare", "alone"), ("number", "alone"), ("setns", "alone"), ("last", "last")]
)
def test_it_is_away(program: Path, way: str, said: str) -> None:
    done = subprocess.run(
        [program, way],
        env=preload_environment({"purge.background": True}, run_environment(None)),
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{said}\n", "")
