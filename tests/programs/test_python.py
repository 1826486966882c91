"""CPython, all of its objects from malloc, under hakmem."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.programs.python_work import TASKS

HERE = Path(__file__).parent


@pytest.mark.parametrize("task", TASKS)
def test_it_says_what_it_says_without(task: str, run_both_ways: Callable[..., Any]) -> None:
    done = run_both_ways(sys.executable, "-W", "error", HERE / "python_work.py", task)
    assert done.stdout.endswith(b"all done\n")
