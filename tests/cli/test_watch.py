"""watch: ends when it should, and says what there was."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess

from tests.cli.terminal import WORKBENCH, Program, run_workbench, start


def test_one_line_of_json_a_sample(program: Program) -> None:
    done = run_workbench("watch", program.pid, "--json", "--count", 3, "--interval", "0.05")
    samples = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(samples) == 3
    assert {sample["pid"] for sample in samples} == {program.pid}
    first, second = (sample["blocks"]["hakmem"]["metrics"] for sample in samples[:2])
    assert first["thread.operations"]["rate_per_s"] is None
    assert second["thread.operations"]["rate_per_s"] >= 0
    assert samples[0]["time_s"] < samples[1]["time_s"] < samples[2]["time_s"]
    assert second["tls.capacity"]["by_group"]


def test_events_since_the_sample_before(program: Program) -> None:
    options = ["--json", "--interval", "0.05"]
    with start([WORKBENCH, "watch", program.pid, *options]) as watch:
        assert watch.stdout is not None
        first = json.loads(watch.stdout.readline())["blocks"]["hakmem"]
        assert 1 <= len(first["events"]) <= 8
        assert first["event_counts"] == {}
        assert run_workbench("set", program.pid, "tls.grow_percent=61").status == 0
        program.allocate(100_000)
        sample = first
        while "TUNABLE_ADOPT" not in sample["event_counts"]:
            sample = json.loads(watch.stdout.readline())["blocks"]["hakmem"]
        assert 1 <= len(sample["events"]) <= 100
        assert sum(sample["event_counts"].values()) >= len(sample["events"])
        watch.terminate()


def test_ends_with_the_process(program: Program) -> None:
    with start([WORKBENCH, "watch", program.pid, "--json", "--interval", "3600"]) as watch:
        assert watch.stdout is not None
        assert json.loads(watch.stdout.readline())["pid"] == program.pid
        program.kill()
        assert watch.wait() == 0


def test_lines_without_a_terminal(program: Program) -> None:
    done = run_workbench("watch", program.pid, "--count", 2, "--interval", "0.05")
    assert (done.status, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2
    assert "threads" not in done.stdout.splitlines()[0].split("thread.operations")[0]
    assert "tls.capacity=" in done.stdout


def test_interrupt_is_tidy(program: Program) -> None:
    options = ["--json", "--interval", "3600"]
    with start([WORKBENCH, "watch", program.pid, *options], stderr=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None
        watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        assert watch.wait() == 0
        assert watch.stderr.read() == ""


def test_closed_pipe_is_tidy(program: Program) -> None:
    options = ["--json", "--interval", "0.02"]
    with start([WORKBENCH, "watch", program.pid, *options], stderr=subprocess.PIPE) as watch:
        assert watch.stdout is not None
        assert watch.stderr is not None
        watch.stdout.readline()
        watch.stdout.close()
        assert watch.wait() == 141
        assert watch.stderr.read() == ""
        watch.stdout = None


def test_in_a_terminal(program: Program) -> None:
    ours, theirs = pty.openpty()
    try:
        watch = subprocess.Popen(
            [WORKBENCH, "watch", str(program.pid), "--count", "2", "--interval", "0.05"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "120", "LINES": "60"},
        )
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:  # how a terminal says that its last user is gone
            pass
        assert watch.wait() == 0
    finally:
        os.close(ours)
    for words in (str(program.pid), "tls.capacity", "thread.operations", "per second", "slots"):
        assert words in shown.decode()
