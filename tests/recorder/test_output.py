"""Where `workbench record` writes to: nothing else is lost, and what cannot be written is said at once."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.terminal import WORKBENCH, Finished, assert_refused, run_workbench
from workbench.errors import BadParameter
from workbench.processes import record
from workbench.traces import Trace

SHELL = ("sh", "-c", "ls >/dev/null; date >/dev/null; id >/dev/null")


def type_record(output: Path, *words: object) -> Finished:
    return run_workbench("record", "-o", output, *words)


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_former_recording_goes_with_its_children(tmp_path: Path) -> None:
    record(SHELL, tmp_path / "t.haktrace")
    record(SHELL, tmp_path / "t.other.haktrace")  # its children's names begin alike
    others = [name for name in list_names(tmp_path) if name.startswith("t.other")]
    (tmp_path / "t.9-notes.haktrace").write_text("mine")
    os.mkfifo(tmp_path / "t.8-pipe.haktrace")
    assert list_names(tmp_path) != others
    assert type_record(tmp_path / "t.haktrace", "--", "true").status == 0
    assert list_names(tmp_path) == sorted(["t.haktrace", "t.8-pipe.haktrace", "t.9-notes.haktrace", *others])
    with Trace.open(tmp_path / "t.haktrace") as trace:
        assert trace.metadata.program == "true"


def test_files_of_others_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "t.1-ls.haktrace").write_text("mine")
    traces = record(SHELL, tmp_path / "t.haktrace").traces
    assert [trace.path.name for trace in traces[1:]] == [
        "t.2-ls.haktrace",
        "t.3-date.haktrace",
        "t.4-id.haktrace",
    ]
    assert (tmp_path / "t.1-ls.haktrace").read_text() == "mine"


def test_a_file_that_is_no_trace(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.write_text("precious")
    ran = tmp_path / "ran"
    assert_refused(
        type_record(notes, "--", "touch", ran), f"{notes}: a file is there that is not a trace", "--force"
    )
    assert notes.read_text() == "precious"
    assert not ran.exists()
    assert type_record(notes, "--force", "--", "touch", ran).status == 0
    assert ran.exists()
    with Trace.open(notes) as trace:
        assert trace.metadata.program == "touch"


def test_an_empty_file_is_written(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert type_record(tmp_path / "a", "--", "true").status == 0
    with Trace.open(tmp_path / "a") as trace:
        assert trace.metadata.complete


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real")
    assert type_record(tmp_path / "link", "--", "sh", "-c", "exec true").status == 0
    assert (tmp_path / "link").is_symlink()
    with Trace.open(tmp_path / "real") as trace:
        assert trace.metadata.program == "true"


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "missing folder", "read-only"])
def test_what_cannot_be_written_is_said_before_the_start(tmp_path: Path, what: str) -> None:
    output, ran = tmp_path / "out", tmp_path / "ran"
    said = {
        "pipe": "it is a pipe; name a file",
        "device": "it is a device; name a file",
        "folder": "it is a folder; name a file",
        "missing folder": "no such folder; make it first",
        "read-only": "name a file that can be written",
    }[what]
    if what == "pipe":
        os.mkfifo(output)
    elif what == "device":
        output = Path(os.devnull)
    elif what == "folder":
        output.mkdir()
    elif what == "missing folder":
        output = output / "a"
    else:
        output = Path("/proc/self/a")  # no user may make a file there
    assert_refused(type_record(output, "--", "touch", ran), said)
    assert not ran.exists()


def test_a_program_that_cannot_be_started_costs_no_trace(tmp_path: Path) -> None:
    output = tmp_path / "a.haktrace"
    record(SHELL, output)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(BadParameter, match="name a program that can be run"):
        record(["true"], output, working_directory=tmp_path / "nowhere")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_descriptors_are_the_programs_own(tmp_path: Path) -> None:
    """As a make's job server or a service's socket is handed on."""
    (tmp_path / "in").write_text("from three\n")
    script = f"exec 3<'{tmp_path}/in'; '{WORKBENCH}' record -o '{tmp_path}/a' -- cat /dev/fd/3"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "from three\n")
