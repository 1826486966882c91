"""git under hakmem: the same history, and a store that its own check finds whole."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def test_a_life_of_a_repository(run_both_ways: Callable[..., Any], tmp_path: Path) -> None:
    done = run_both_ways("sh", "-eu", HERE / "git_work.sh")
    assert done.stdout.endswith(b"all done\n")
    assert done.stdout.splitlines()[1] == b"merged"
    # What the preloaded git wrote, git without it reads.
    checked = subprocess.run(
        ["git", "-C", tmp_path / "preloaded-0" / "clone.git", "fsck", "--full", "--strict"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
