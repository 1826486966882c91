"""What tests of every room share."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.project.tracked_files import write_committed

REPOSITORY = Path(__file__).resolve().parent.parent

# In the background of a shell, or by nohup, the tests would hand an ignored Ctrl-C on to all they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the notebooks as they are committed: those of the checkout belong to who uses it."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_committed("notebooks", folder)
    return folder


@pytest.fixture(scope="session")
def native_program(repository: Path) -> Callable[[str], Path]:
    """Path of a program built from tests/native/NAME.c."""

    def find(name: str) -> Path:
        program = repository / "build" / "tests" / name
        assert program.is_file(), f"{program} is missing: run `make test-programs`"
        return program

    return find
