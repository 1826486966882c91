"""A whole program measured: its memory is that of its family, whose members come and go."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.processes.command import run_command
from workbench.processes.runs import Run

CAP_S = 180.0
PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.3)'])"


def test_a_child_that_ends_while_its_folder_is_listed_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_folder = Path.glob
    vanished: list[Path] = []

    def vanish(self: Path, pattern: str) -> Iterator[Path]:
        if self.name == "task" and not vanished:
            vanished.append(self)
            raise FileNotFoundError(2, "No such file or directory", str(self))
        return list_folder(self, pattern)

    monkeypatch.setattr(Path, "glob", vanish)
    outcome = run_command(
        Run("sleep", command=(sys.executable, "-c", PARENT), allocator="glibc"), tmp_path, CAP_S
    )
    assert outcome.status == "completed"
    assert vanished
