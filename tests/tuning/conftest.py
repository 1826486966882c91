"""What tests of tuning share."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest


@pytest.fixture(autouse=True)
def quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory: a study waits for the disk after each run, and these have hundreds that take no time."""
    with tempfile.TemporaryDirectory(prefix="tuning-", dir="/dev/shm") as folder:
        yield Path(folder)
