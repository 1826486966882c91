"""watch: ends when it should, and says what there was."""

from __future__ import annotations

import json
import re
import signal
import subprocess

import pytest

from tests.cli.terminal import WORKBENCH, Program, run_in_terminal, run_workbench, start
from workbench.table import text_width


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


def test_a_figure_of_the_system_is_a_probe_by_its_name(program: Program) -> None:
    name = "process.resident"
    for more in ([], ["--all"]):
        done = run_workbench("watch", program.pid, "--probe", name, "--count", 1, "--json", *more)
        assert done.json["probes"][name]["unit"] == "bytes"


def test_every_command_says_the_same_of_a_probe_that_is_none(program: Program) -> None:
    experiment = ["experiment", program.pid, "--b", "tls.grow_percent=61"]
    commands = (["watch", program.pid], ["serve-metrics", "--port", "0"], experiment)
    said = {run_workbench(*command, "--probe", "nope").stderr for command in commands}
    assert len(said) == 1
    told = said.pop()
    assert len(told.splitlines()) == 1
    assert "unknown probe 'nope': there is process.processor_time, process.resident, " in told


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


@pytest.mark.parametrize("columns", [40, 50, 60, 80, 100, 120])
def test_in_a_terminal(untouched_program: Program, columns: int) -> None:
    pid = untouched_program.pid
    options = ["--count", 2, "--interval", "0.02"]
    shown = run_in_terminal("watch", pid, *options, columns=columns)
    assert shown.status == 0
    charted = run_workbench("watch", pid, "--count", 1).stdout.split()[1:]
    names = [word.partition("=")[0] for word in charted if "=" in word]
    assert {"tls.capacity", "thread.operations"} <= set(names)
    values = run_workbench("watch", pid, "--count", 1, "--json").json["blocks"]["hakmem"]["metrics"]
    for name in names:
        # The name is whole, and so is the number behind it.
        found = re.search(rf"^{re.escape(name)} +(\S.*)$", shown.stdout, re.MULTILINE)
        assert found, (name, shown.stdout)
        if name == "tls.capacity":
            assert found[1].startswith(f"{values[name]['value']:.0f} slots")
    assert str(pid) in shown.stdout
    assert all(text_width(line) <= columns for line in shown.stdout.splitlines())
    assert ("per second" in shown.stdout) == (columns >= 50)
    assert ("by group" in shown.stdout) == (columns >= 80)


def test_in_a_low_terminal_what_is_missing_is_said(untouched_program: Program) -> None:
    options = ["--all", "--count", 2, "--interval", "0.02"]
    low = run_in_terminal("watch", untouched_program.pid, *options, columns=100, lines=20)
    high = run_in_terminal("watch", untouched_program.pid, *options, columns=100, lines=200)
    assert "more lines)" not in high.stdout
    told = re.search(r"\(a higher terminal shows (\d+) more lines\)", low.stdout)
    assert told
    metrics = run_workbench("metrics", untouched_program.pid, "--json").json["metrics"]
    assert int(told[1]) >= len(metrics) - 20 > 0
