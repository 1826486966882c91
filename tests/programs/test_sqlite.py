"""The sqlite3 shell under hakmem: the same answers, and the same database file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "work.sql"


@pytest.mark.parametrize("database", [":memory:", "work.db"])
def test_a_script_with_indexes(database: str, run_both_ways: Callable[..., Any]) -> None:
    done = run_both_ways("sqlite3", "-batch", "-bail", database, stdin=SCRIPT.read_bytes())
    assert done.stdout.endswith(b"ok\nall done\n")
    assert list(done.files) == ([] if database == ":memory:" else [database])
