"""Forks, execs and programs that die: what was recorded is there, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.recorder.conftest import read_events
from workbench.errors import BadParameter, CannotPreload
from workbench.processes import RecordingOutcome, record
from workbench.processes.process_trace import ProcessTrace

Run = Callable[..., RecordingOutcome]


@pytest.fixture(autouse=True)
def spool_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, to see that none is left."""
    directory = tmp_path / "spools"
    directory.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    return directory


def test_killed_in_the_middle(run_recorded: Run, recorded_program: Path, spool_directory: Path) -> None:
    outcome = run_recorded("killed")
    assert outcome.exit_code == -9
    (trace,) = outcome.traces
    assert list(read_events(trace.path, recorded_program).size_bytes) == list(range(1000, 2000))
    assert not trace.metadata.complete
    assert trace.metadata.end == "signal 9"
    assert list(spool_directory.iterdir()) == []


def test_a_forked_child_has_its_own_trace(run_recorded: Run, recorded_program: Path) -> None:
    outcome = run_recorded("fork")
    assert outcome.exit_code == 3
    parent, child = outcome.traces
    assert child.path.name == "a.1-recorded.haktrace"
    sizes = list(range(1000, 2000))
    assert list(read_events(parent.path, recorded_program).size_bytes) == sizes + sizes
    assert list(read_events(child.path, recorded_program).size_bytes) == sizes
    assert child.metadata.unknown_frees == 1000
    assert child.metadata.parent_pid == parent.metadata.pid
    assert (child.metadata.end, child.metadata.complete) == ("exit", True)


def test_a_killed_child(run_recorded: Run, recorded_program: Path) -> None:
    outcome = run_recorded("fork-killed")
    assert outcome.exit_code == 9
    parent, child = outcome.traces
    assert (child.metadata.end, child.metadata.complete) == ("killed", False)
    assert len(read_events(child.path, recorded_program)) == 1000
    assert parent.metadata.complete


def test_a_child_that_becomes_another_program(run_recorded: Run, recorded_program: Path) -> None:
    parent, forked, executed = run_recorded("fork-exec").traces
    assert forked.metadata.end == "exec"
    assert executed.metadata.pid == forked.metadata.pid
    assert executed.metadata.command == (str(recorded_program), "each")
    assert len(read_events(executed.path, recorded_program)) == 19
    assert len(read_events(parent.path, recorded_program)) == 2000


def test_the_output_is_the_program_that_the_command_became(run_recorded: Run, tmp_path: Path) -> None:
    last, first = run_recorded("exec").traces
    assert last.path == tmp_path / "a.haktrace"
    assert last.metadata.command[1] == "each"
    assert first.path.name == "a.1-recorded.haktrace"
    assert (first.metadata.command[1], first.metadata.end) == ("exec", "exec")


def test_children_are_left_out_if_asked(run_recorded: Run, tmp_path: Path) -> None:
    (only,) = run_recorded("fork-exec", children=False).traces
    assert only.metadata.complete
    assert [path.name for path in tmp_path.glob("*.haktrace")] == ["a.haktrace"]


def test_a_shell_and_its_commands(tmp_path: Path) -> None:
    script = "ls / > /dev/null; ls /usr > /dev/null; true"
    outcome = record(["/bin/sh", "-c", script], tmp_path / "a.haktrace")
    assert outcome.exit_code == 0
    programs = [trace.metadata.program for trace in outcome.traces]
    assert programs.count("ls") == 2
    assert all(trace.metadata.complete for trace in outcome.traces)


def test_a_child_that_outlives_the_command(tmp_path: Path, spool_directory: Path) -> None:
    script = "cat <&3 3<&- >said & echo $! >pid; echo hello >&3; until [ -s said ]; do :; done; exit 4"
    fifo = tmp_path / "fifo"
    command = f"mkfifo '{fifo}'; exec 3<>'{fifo}'; {script}"
    try:
        outcome = record(["/bin/sh", "-c", command], tmp_path / "a.haktrace", working_directory=tmp_path)
        assert outcome.exit_code == 4
        (child,) = [trace for trace in outcome.traces if trace.metadata.end == "still running"]
        assert not child.metadata.complete
        assert list(spool_directory.iterdir()) == []
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_child_that_is_gone_before_its_exec_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recorder sees the forked shell, and next time a process that is no more: it was replaced."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    told: set[int] = set()
    look = ProcessTrace.is_running

    def look_late(trace: ProcessTrace) -> bool:
        if trace.program != "true" and trace.parent_pid != os.getpid() and trace.pid not in told:
            told.add(trace.pid)
            fifo.write_text("go on\n")
            deadline_s = time.monotonic() + 60
            while look(trace) and time.monotonic() < deadline_s:
                time.sleep(0.01)
        return look(trace)

    monkeypatch.setattr(ProcessTrace, "is_running", look_late)
    script = f"(read line < '{fifo}'; exec /bin/true) & wait $!; exit 0"
    _, forked, executed = record(["/bin/sh", "-c", script], tmp_path / "a.haktrace").traces
    assert (forked.metadata.program, forked.metadata.end) == ("sh", "exec")
    assert (executed.metadata.program, executed.metadata.end) == ("true", "exit")
    assert told


def test_all_descriptors_closed(run_recorded: Run) -> None:
    outcome = run_recorded("descriptors")
    assert outcome.exit_code == 5
    (trace,) = outcome.traces
    assert trace.metadata.complete
    assert trace.metadata.event_count > 500_000  # several segments, made after the descriptors were gone


def test_no_room_for_the_spool(run_recorded: Run) -> None:
    outcome = run_recorded("limited")
    assert outcome.exit_code == 5
    (trace,) = outcome.traces
    assert not trace.metadata.complete
    assert trace.metadata.end == "stopped: File too large"
    assert trace.metadata.event_count > 10_000
    read_events(trace.path)


def test_a_program_that_gives_up_its_user(run_recorded: Run, spool_directory: Path) -> None:
    outcome = run_recorded("user")
    assert outcome.exit_code == 5
    (trace,) = outcome.traces
    assert not trace.metadata.complete
    assert trace.metadata.end == "stopped: Permission denied"
    assert trace.metadata.event_count > 10_000
    read_events(trace.path)
    assert list(spool_directory.iterdir()) == []


def test_output_and_names_with_blanks_and_quotes(
    recorded_program: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / 'it\'s a "name"'
    odd.mkdir()
    program = odd / "my prog'ram"
    program.write_bytes(recorded_program.read_bytes())
    program.chmod(0o755)
    outcome = record(
        [str(program), "say", "a 'b' \"c\"\n$d"], odd / "the 'trace'.haktrace", spool_directory=odd
    )
    assert outcome.exit_code == 5
    assert capfd.readouterr() == ("a 'b' \"c\"\n$d\n", "")
    (trace,) = outcome.traces
    assert trace.metadata.command == (str(program), "say", "a 'b' \"c\"\n$d")
    assert len(read_events(trace.path, program)) == 0
    assert sorted(path.name for path in odd.iterdir()) == ["my prog'ram", "the 'trace'.haktrace"]


def test_what_cannot_be_recorded(tmp_path: Path, recorded_program: Path) -> None:
    with pytest.raises(CannotPreload, match="no such program on PATH"):
        record(["no-such-program"], tmp_path / "a")
    with pytest.raises(BadParameter, match="no such folder"):
        record([str(recorded_program)], tmp_path / "missing" / "a")
    with pytest.raises(BadParameter, match="it is a folder"):
        record([str(recorded_program)], tmp_path)
    assert list(tmp_path.glob("a*")) == []
