"""Files that commands read and write: marks before the text, pipes, what is there already, what is left."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.terminal import (
    PATIENCE_S,
    WORKBENCH,
    Finished,
    assert_refused,
    run_workbench,
    start,
    wait_until,
)
from workbench.traces import TraceWriter

MARK = "\ufeff"
SETTINGS = "HAKMEM_TLS_MAX_SLOTS=512\n"


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "in.env"
    path.write_text(SETTINGS)
    return path


def type_export(settings: Path, output: Path, form: str = "env") -> Finished:
    return run_workbench("export", "--settings", settings, "--format", form, "-o", output)


def make_trace(path: Path) -> Path:
    with TraceWriter.open(path, program="empty"):
        pass
    return path


@pytest.mark.parametrize("form", ["env", "toml", "header"])
def test_settings_with_a_byte_order_mark(settings: Path, tmp_path: Path, form: str) -> None:
    plain, marked = tmp_path / "plain", tmp_path / "marked"
    assert type_export(settings, plain, form).status == 0
    marked.write_text(MARK + plain.read_text())
    read = run_workbench("export", "--settings", marked, "--format", "env", "--json")
    assert read.status == 0, read.stderr
    assert read.json["values"] == {"tls.max_slots": 512}


@pytest.mark.parametrize("command", ["sweep", "tune"])
def test_plans_with_a_byte_order_mark(tmp_path: Path, command: str) -> None:
    table = '[axes]\n"tls.max_slots" = [256]\n' if command == "sweep" else 'search = ["tls.max_slots"]\n'
    plan = tmp_path / "plan.toml"
    plan.write_text(f'{MARK}workloads = ["pair"]\noperations = 1000\nrounds = 6\n{table}')
    done = run_workbench(command, plan, "--check")
    assert done.status == 0, done.stderr


def test_a_pipe_as_output(settings: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert_refused(type_export(settings, pipe), f"{pipe}: it cannot be written (a pipe that nobody reads)")
    assert_refused(
        run_workbench("trace", "plot", make_trace(tmp_path / "a.haktrace"), "-o", pipe), "that nobody reads"
    )
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        # It opens its end when it runs; until then nobody reads.
        wait_until(lambda: type_export(settings, pipe).status == 0)
        text, _ = reader.communicate(timeout=PATIENCE_S)
    assert "HAKMEM_TLS_MAX_SLOTS=512" in text


def test_nothing_else_is_overwritten(settings: Path, tmp_path: Path) -> None:
    trace, notes = make_trace(tmp_path / "a.haktrace"), tmp_path / "notes"
    notes.write_text("PASSWORD=precious\n")
    assert_refused(type_export(settings, notes), f"{notes}: a file is there that is not a settings file")
    plot = ("trace", "plot", trace, "-o")
    assert_refused(run_workbench(*plot, notes), "that is not a page of the workbench")
    assert notes.read_text() == "PASSWORD=precious\n"
    for _ in range(2):  # what they wrote themselves they write again
        assert type_export(settings, tmp_path / "out.env").status == 0
        assert run_workbench(*plot, tmp_path / "out.html").status == 0
    assert type_export(settings, settings).status == 0  # what a person wrote, and can be read
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["a.haktrace", "in.env", "notes", "out.env", "out.html"]
    )


def test_a_place_where_nothing_can_be_written(tmp_path: Path) -> None:
    def say(*words: object) -> Finished:
        return run_workbench("serve-metrics", "--dashboard", *words)

    assert_refused(say("/nope/x"), "/nope: no such folder; make it first")
    assert_refused(say(tmp_path), f"{tmp_path}: it is a folder; name a file")
    notes = tmp_path / "notes"
    notes.write_text("precious\n")
    assert_refused(say(notes), f"{notes}: a file is there that is not a dashboard")
    assert say(tmp_path / "new").status == say(tmp_path / "new").status == 0
    work = "compare", "pair", "--operations", "1000", "--rounds", "1", "--allocators", "hakmem,glibc"
    for place in ("/proc/nope", notes / "results"):
        refused = run_workbench(*work, "--output", place)
        assert_refused(refused, f"{place}: no folder can be made there", "name another")


def test_a_trace_without_events(tmp_path: Path) -> None:
    trace = make_trace(tmp_path / "a.haktrace")
    for words in (["summary", trace], ["plot", trace, "-o", tmp_path / "page.html"]):
        done = run_workbench("trace", *words)
        assert (done.status, done.stderr) == (0, "")
    assert "0 events" in (tmp_path / "page.html").read_text()


def test_loops_and_seconds(tmp_path: Path) -> None:
    trace = make_trace(tmp_path / "a.haktrace")
    refused = run_workbench("replay", trace, "--loops", "1", "--seconds", "1")
    assert_refused(refused, "give --loops or --seconds")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_after_an_end_by_signal(tmp_path: Path, number: int) -> None:
    """Of a sweep that runs commands of its own; what SIGKILL leaves goes with the next run."""
    work = "compare", "pair", "--seconds", "30", "--rounds", "6", "--allocators", "hakmem,glibc"
    environment = os.environ | {"TMPDIR": str(tmp_path)}

    def has_begun() -> bool:
        return any(path != left for path in tmp_path.glob("workbench-results-*/results/trials"))

    left: Path | None = None
    with start([WORKBENCH, *work], env=environment, stderr=subprocess.PIPE) as process:
        wait_until(has_begun)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
    (folder,) = tmp_path.iterdir()
    left = folder / "results" / "trials"
    with start([WORKBENCH, *work], env=environment, stderr=subprocess.PIPE) as process:
        wait_until(
            lambda: list(tmp_path.glob("workbench-results-*/results/trials")) != [] and not left.exists()
        )
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == -number
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
