"""`workbench record`, typed as a user does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.cli.terminal import PATIENCE_S, WORKBENCH, assert_refused, start
from workbench.cli import cli
from workbench.traces import Trace


def type_command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(WORKBENCH), "record", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_output_and_status_are_the_programs_own(recorded_program: Path, tmp_path: Path) -> None:
    alone = subprocess.run([recorded_program, "say", "hello"], capture_output=True, text=True, check=False)
    recorded = type_command("-o", tmp_path / "a", "--", recorded_program, "say", "hello")
    assert (recorded.returncode, recorded.stdout) == (alone.returncode, alone.stdout)
    heading, row = recorded.stderr.splitlines()
    assert heading.split()[:3] == ["file", "program", "events"]
    assert row.split()[:2] == [str(tmp_path / "a"), "recorded"]
    assert row.endswith("exit 5")


def test_json_lists_all_traces(recorded_program: Path, tmp_path: Path) -> None:
    done = type_command("-o", tmp_path / "a", "--json", "--", recorded_program, "fork")
    summary = json.loads(done.stderr)
    assert done.returncode == summary["exit_code"] == 3
    parent, child = summary["traces"]
    assert parent["path"] == str(tmp_path / "a")
    assert child["path"] == str(tmp_path / "a.1-recorded.haktrace")
    assert parent["complete"]
    assert parent["stored_bytes"] == (tmp_path / "a").stat().st_size
    assert child["unknown_frees"] == 1000


def test_a_thousand_children_are_not_a_thousand_rows(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6; do ls / / / / >/dev/null; done; " + "(:); " * 30 + "exit 0"
    done = type_command("-o", tmp_path / "a", "--", "sh", "-c", script)
    assert done.returncode == 0
    rows = [line.split() for line in done.stderr.splitlines()]
    assert rows[1][:2] == [str(tmp_path / "a"), "sh"]
    assert [row[1] for row in rows].count("ls") == 6
    (rest,) = [line for line in done.stderr.splitlines() if line.startswith("and ")]
    hidden = int(rest.split()[1])
    assert hidden + 20 == len(list(tmp_path.iterdir()))


def test_a_killed_program(recorded_program: Path, tmp_path: Path) -> None:
    done = type_command("-o", tmp_path / "a", "--", recorded_program, "killed")
    assert done.returncode == 128 + signal.SIGKILL
    assert done.stderr.splitlines()[1].endswith("signal 9")
    with Trace.open(tmp_path / "a") as trace:
        assert trace.damage is None
        assert trace.metadata.event_count >= 1000


@pytest.mark.parametrize("only_workbench", [False, True])
def test_interrupts_go_to_the_program(recorded_program: Path, tmp_path: Path, only_workbench: bool) -> None:
    """Ctrl-C is the terminal's, for the whole group; SIGTERM for the command alone is passed on."""
    command = [WORKBENCH, "record", "-o", tmp_path / "a", "--", recorded_program, "interrupt"]
    with start(command, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if only_workbench:
                process.send_signal(signal.SIGTERM)
            else:
                os.killpg(process.pid, signal.SIGINT)
            status = process.wait(PATIENCE_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert status == (128 + signal.SIGTERM if only_workbench else 7)
    with Trace.open(tmp_path / "a") as trace:
        assert trace.metadata.complete != only_workbench
        assert trace.metadata.end == ("signal 15" if only_workbench else "exit 7")


def test_a_recording_that_stops_is_said_in_one_line(recorded_program: Path, tmp_path: Path) -> None:
    done = type_command("-o", tmp_path / "a", "--", recorded_program, "limited")
    assert done.returncode == 5
    assert done.stderr.splitlines()[-1] == (
        "workbench: a: the recording stopped: File too large; the program went on without"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "a", "--", "no-such-program"], "no-such-program: no such program on PATH"),
        (["-o", "missing/a", "--", "true"], "missing: no such folder"),
        (["-o", ".", "--", "true"], "it is a folder"),
        (["-o", "a", "--level", "30", "--", "true"], "30 is not in the range"),
        (["-o", "a", "--spool", "missing", "--", "true"], "'missing' does not exist"),
        (["--", "true"], "Missing option '-o'"),
        (["-o", "a"], "give a command to run"),
    ],
)
def test_wrong_input(words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_refused(CliRunner().invoke(cli, ["record", *words]), message)
    assert list(tmp_path.iterdir()) == []


def test_a_static_program(tmp_path: Path) -> None:
    source = tmp_path / "static.c"
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["cc", "-static", source, "-o", tmp_path / "static"], check=True)
    done = type_command("-o", tmp_path / "a", "--", tmp_path / "static")
    assert done.returncode == 2
    assert "it is static, so nothing can be preloaded" in done.stderr
    through_shell = type_command("-o", tmp_path / "a", "--", "sh", "-c", f"exec '{tmp_path}/static'")
    assert through_shell.returncode == 0
