"""A disk that fills up under a sweep: said in one line, nothing measured is lost, and it goes on later."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import run_workbench

DISK_BYTES = 64 * 1024
SWEEP = """
workloads = ["random_mixed"]
operations = 2000
rounds = 10
[axes]
"tls.grow_percent" = [60, 70, 80, 90]
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with little room; without root a folder like any other."""
    folder = tmp_path / "a small disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "small", str(folder)]
    with contextlib.ExitStack() as cleanup:
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            cleanup.callback(subprocess.run, ["umount", str(folder)], check=True)
        yield folder


def test_a_sweep_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    plan, results = tmp_path / "plan.toml", small_disk / "results"
    plan.write_text(SWEEP)
    filler = small_disk / "filler"
    is_small = os.statvfs(small_disk).f_blocks * os.statvfs(small_disk).f_frsize <= DISK_BYTES
    if is_small:
        filler.write_bytes(bytes(DISK_BYTES // 2))
    run = run_workbench("sweep", plan, "--output", results)
    if is_small:
        assert run.status == 1
        assert run.stderr.strip().count("\n") == 0, run.stderr
        assert "No space left on device" in run.stderr
        filler.unlink()
    kept = {path.name: json.loads(path.read_text()) for path in results.glob("trials/*.json")}
    subprocess.run(["cp", "-r", str(results), str(tmp_path / "on a larger disk")], check=True)
    again = run_workbench("sweep", plan, "--output", tmp_path / "on a larger disk", "--json")
    assert (again.status, again.json["done"], again.json["failed"]) == (0, 40, {})
    assert not is_small or kept
