"""perl under hakmem says what it says without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def test_hashes_strings_closures_and_children(run_both_ways: Callable[..., Any]) -> None:
    done = run_both_ways("perl", HERE / "work.pl")
    assert done.stdout.endswith(b"all done\n")
