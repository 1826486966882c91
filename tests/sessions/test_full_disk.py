"""A disk that is full ends the recording with one line; the session goes on."""

from __future__ import annotations

import contextlib
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sessions.conftest import add_rows
from workbench.sessions import Session, SessionWriter

DISK_BYTES = 48 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with little room; without root, files that may not grow."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "small", str(folder)]
    with contextlib.ExitStack() as cleanup:
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            cleanup.callback(subprocess.run, ["umount", str(folder)], check=True)
        else:
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (DISK_BYTES // 2, limits[1]))
            cleanup.callback(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
        yield folder


def fill(writer: SessionWriter) -> int:
    rows = 0
    while writer.is_recording:
        assert rows < 10_000
        add_rows(writer, 1, first=rows)
        rows += 1
    return rows


def test_it_is_said_once_and_what_was_written_can_be_read(
    make_writer: Callable[..., SessionWriter], small_disk: Path
) -> None:
    writer = make_writer(folder=small_disk)
    rows = fill(writer)
    assert writer.problem.startswith(f"recording ended: {writer.path}: ")
    assert writer.problem.endswith("; the session goes on")
    assert "\n" not in writer.problem
    told = writer.problem
    add_rows(writer, 10, first=rows)  # nothing happens any more
    writer.close(status="ended", note="")
    assert writer.problem == told
    session = Session.open(writer.path)
    # All but the row that found no room.
    assert len(session.samples) == rows - 1


def test_a_folder_that_cannot_be_made_is_said(
    make_writer: Callable[..., SessionWriter], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    writer = make_writer(folder=tmp_path / "file")
    assert "recording ended" in writer.problem
    add_rows(writer, 3)
    writer.close()


def test_a_recording_has_a_largest_size(make_writer: Callable[..., SessionWriter]) -> None:
    writer = make_writer(maximum_bytes=20_000)
    fill(writer)
    assert "its limit is" in writer.problem
    writer.close()
    assert len(Session.open(writer.path).samples) > 5
