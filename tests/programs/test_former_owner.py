"""What a program did to the pages of a block for good does not reach the next owner of the memory."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest

from workbench.allocators import run_environment
from workbench.processes import preload_environment

CAP_S = 180.0


@pytest.fixture(scope="module")
def former_owner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of that name, built."""
    program = tmp_path_factory.mktemp("programs") / "former_owner"
    source = Path(__file__).parent / "former_owner.c"
    subprocess.run(["gcc", "-O1", "-fno-builtin", source, "-o", program], check=True, timeout=CAP_S)
    return program


# One of a size class, of the pool, of the pool's largest, and a big block that the BigCache would keep.
@pytest.mark.parametrize("size", ["8192", "100000", "600000", "8388608"])
@pytest.mark.parametrize("change", ["dontfork", "wipeonfork", "unreadable", "readonly", "locked"])
def test_the_next_owner_finds_new_pages(change: str, size: str, former_owner: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if change == "locked" and os.geteuid() != 0 and resource.RLIM_INFINITY != limit < int(size):
        pytest.skip("the limit of locked memory is lower")
    done = subprocess.run(
        [former_owner, change, size],
        env=preload_environment({}, run_environment(None)),
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok, 0 KiB locked\n", "")
