"""Forks from threads, signals, cancelled threads, modules and exec under the allocator, many times over."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.control.publisher import sweep_until_gone
from workbench.allocators import run_environment
from workbench.control import block_directory
from workbench.processes import preload_environment

SOURCE = Path(__file__).parent / "storms.c"
CAP_S = 300.0
# `make soak` asks for more.
FACTOR = int(os.environ.get("SOAK_FACTOR", "1"))
ROUNDS = {"forks": 25, "signals": 3000, "cancels": 40, "modules": 150, "execs": 30}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The program and its module."""
    folder = tmp_path_factory.mktemp("storms")
    program, module = folder / "storms", folder / "it's a module.so"
    command = ["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-builtin", "-pthread", str(SOURCE), "-o"]
    subprocess.run([*command, str(program)], check=True, timeout=CAP_S)
    subprocess.run([*command, str(module), "-shared", "-fPIC", "-DMODULE"], check=True, timeout=CAP_S)
    return program, module


@pytest.mark.parametrize("level", [1, 3], ids="check.level={}".format)
@pytest.mark.parametrize("storm", ROUNDS)
def test_it_goes_on(built: tuple[Path, Path], storm: str, level: int) -> None:
    program, module = built
    settings = {"check.level": level, "ss.purge_delay_ms": 1, "purge.background": True}
    done = subprocess.run(
        [str(program), storm, str(ROUNDS[storm] * FACTOR), str(module)][: 4 if storm == "modules" else 3],
        env=preload_environment(settings, run_environment(None)),
        capture_output=True,
        text=True,
        timeout=CAP_S * FACTOR,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    said, pid = done.stdout.rsplit(" ", 1)
    assert said == f"{storm}: ok,"
    sweep_until_gone(*block_directory().glob(f"{int(pid)}.*"))
