"""record --pid: a program that runs already is recorded for a while, and goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agents.conftest import CAP_S, wait_for
from tests.cli.terminal import WORKBENCH, assert_refused, run_workbench
from tests.programs.redis_server import connect, serve
from tests.recorder.conftest import HERE, pick, read_events
from workbench.allocators import run_environment
from workbench.errors import CannotInject
from workbench.processes import RecordingOutcome, record_running
from workbench.traces import CallKind, Trace

MALLOC, CALLOC, ALIGNED, REALLOC, FREE, THREAD_START, THREAD_END = CallKind
_FREE = (FREE, 0, 0)
EACH = [
    (MALLOC, 100, 0), _FREE,
    (CALLOC, 150, 0), _FREE,
    (MALLOC, 10, 0), (REALLOC, 100000, 0), (REALLOC, 70, 0), _FREE,
    (ALIGNED, 300, 256), _FREE,
    (ALIGNED, 128, 64), _FREE,
    (ALIGNED, 5, 4096), _FREE,
    (ALIGNED, 6, 4096), _FREE,
    (ALIGNED, 7, 4096), _FREE,
    (MALLOC, 77, 0),
]  # fmt: skip


class Told:
    """A program that acts when it is told to, and says when it has."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.pid = process, process.pid
        self.expect("ready")

    def expect(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == f"{word}\n"

    def act(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.expect("done")

    def end(self) -> int:
        self.process.communicate(timeout=CAP_S)
        return self.process.returncode


@contextmanager
def started(*command: str | Path, **variables: str) -> Iterator[Told]:
    pipe = subprocess.PIPE
    environment = run_environment(None) | variables
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Told(process)
        finally:
            process.kill()


@contextmanager
def recording(program: Told, output: Path) -> Iterator[list[RecordingOutcome]]:
    """Record it within `with`; what came of it is there afterwards."""
    stop, begun = threading.Event(), threading.Event()
    outcomes: list[RecordingOutcome] = []

    def run() -> None:
        try:
            progress = lambda _: begun.set()  # noqa: E731 (it is on from the first call on)
            outcomes.append(
                record_running(program.pid, output, stop=stop, level=1, progress=progress, force=True)
            )
        finally:
            begun.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert begun.wait(CAP_S)
        yield outcomes
    finally:
        stop.set()
        thread.join(CAP_S)
    assert outcomes


def list_calls(path: Path, module: Path | None = None) -> list[tuple[CallKind, int, int]]:
    events = read_events(path, module)
    columns = events.kind, events.size_bytes, events.alignment_bytes
    return [
        (CallKind(kind), int(size), int(alignment)) for kind, size, alignment in zip(*columns, strict=True)
    ]


def test_each_function_again_and_again(recorded_program: Path, tmp_path: Path) -> None:
    with started(recorded_program, "when-told", "each") as program:
        program.act()  # before anybody records
        for name in ("one", "two"):
            with recording(program, tmp_path / f"{name}.haktrace") as outcomes:
                program.act()
            (trace,) = outcomes[0].traces
            assert list_calls(trace.path, recorded_program) == EACH
            assert trace.metadata.end == "still running"
            assert outcomes[0].problems == ()
            program.act()  # after it: nobody's event
        assert program.end() == 5


def test_a_program_whose_address_of_malloc_is_its_own_entry(tmp_path: Path) -> None:
    """It is not position independent and takes malloc's address: all objects find its entry by the name."""
    source = HERE / "recorded.c"
    program_path = tmp_path / "fixed"
    options = ["-std=gnu11", "-O1", "-fno-builtin", "-no-pie", "-fno-pie", "-DTAKES_ADDRESS"]
    subprocess.run(["cc", *options, source, "-o", program_path], check=True)
    with started(program_path, "when-told", "each") as program:
        with recording(program, tmp_path / "a.haktrace") as outcomes:
            program.act()
        assert list_calls(outcomes[0].traces[0].path, program_path) == EACH
        assert program.end() == 5


def test_threads_and_children(recorded_program: Path, tmp_path: Path) -> None:
    with started(recorded_program, "when-told", "threads") as program:
        with recording(program, tmp_path / "a.haktrace") as outcomes:
            program.act()
        events = read_events(outcomes[0].traces[0].path)
        assert len(set(events.thread[events.kind == THREAD_START])) == 4
        assert len(set(events.thread[events.kind == THREAD_END])) == 4
        assert program.end() == 5
    with started(recorded_program, "when-told", "fork") as program:
        with recording(program, tmp_path / "b.haktrace") as outcomes:
            program.act()
        parent, child = outcomes[0].traces
        sizes = list(range(1000, 2000))
        assert list(read_events(parent.path, recorded_program).size_bytes) == sizes + sizes
        assert list(read_events(child.path, recorded_program).size_bytes) == sizes
        assert (child.metadata.end, child.metadata.parent_pid) == ("exit", program.pid)
        assert program.end() == 3


def test_a_library_that_is_loaded_meanwhile(
    recorded_program: Path, loaded_library: Path, tmp_path: Path
) -> None:
    with started(recorded_program, "when-told", "library", loaded_library) as program:
        with recording(program, tmp_path / "a.haktrace") as outcomes:
            program.act()
        assert list_calls(outcomes[0].traces[0].path, loaded_library) == [(MALLOC, 4321, 0)] * 3
        program.act()
        assert program.end() == 0


def test_operators_of_cxx(tmp_path: Path) -> None:
    program_path = tmp_path / "operators"
    source = HERE / "recorded.cpp"
    subprocess.run(["g++", "-std=c++17", "-O1", "-fno-builtin", source, "-o", program_path], check=True)
    with started(program_path, "waits") as program:
        with recording(program, tmp_path / "a.haktrace") as outcomes:
            assert program.end() == 6
        (trace,) = outcomes[0].traces
        sizes = [size for kind, size, _ in list_calls(trace.path, program_path) if kind != FREE]
        assert sizes == [4, 1000, 256, 77, 4242]
        assert trace.metadata.end == "exit"


def test_python_that_imports_meanwhile(tmp_path: Path) -> None:
    text = (
        "print('ready', flush=True)\n"
        "for line in iter(input, 'end'):\n"
        "    import _json, _sqlite3, sqlite3\n"
        "    assert sqlite3.connect(':memory:').execute('select 1').fetchall() == [(1,)]\n"
        "    print('done', flush=True)\n"
    )
    with started("/usr/bin/python3", "-c", text, PYTHONMALLOC="malloc") as program:
        with recording(program, tmp_path / "a.haktrace") as outcomes:
            program.act()
        (trace,) = outcomes[0].traces
        read_events(trace.path)
        with Trace.open(trace.path) as opened:
            modules = {Path(site.module).name for site in opened.sites}
        assert any(name.startswith("libsqlite3.so") for name in modules)
        program.act()
        program.process.communicate("end\n", timeout=CAP_S)
        assert program.process.returncode == 0


def test_redis_under_load_loses_nothing(tmp_path: Path) -> None:
    load = ["redis-benchmark", "-s", str(tmp_path / "socket"), "-q", "-d", "500", "-c", "20", "-t", "rpush"]
    with serve(tmp_path, []) as pid, connect(tmp_path) as client:
        with subprocess.Popen([*load, "-n", "100000000"], stdout=subprocess.DEVNULL) as process:
            try:
                wait_for(lambda: int(str(client.ask("llen", "mylist"))) > 0)
                outcome = record_running(pid, tmp_path / "a.haktrace", seconds=0.5)
                assert process.poll() is None
            finally:
                process.kill()
        (trace,) = outcome.traces
        assert outcome.problems == ()
        events = read_events(trace.path)
        assert (pick(events, events.kind == MALLOC).size_bytes > 400).sum() > 100  # the values
        before = int(str(client.ask("llen", "mylist")))
        assert client.ask("rpush", "mylist", "last") == before + 1


def test_a_killed_reader_is_not_the_programs_end(recorded_program: Path, tmp_path: Path) -> None:
    with started(recorded_program, "when-told", "churn") as program:
        command: list[str | Path] = [
            WORKBENCH,
            "record",
            "--pid",
            str(program.pid),
            "--yes",
            "-o",
            tmp_path / "a.haktrace",
        ]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as reader:
            wait_for(lambda: b"libhakmem-record" in Path(f"/proc/{program.pid}/maps").read_bytes())
            wait_for((tmp_path / "a.haktrace").exists)
            with pytest.raises(CannotInject, match="being recorded already"):
                record_running(program.pid, tmp_path / "b.haktrace")
            reader.kill()
        program.act()  # more than a segment
        with recording(program, tmp_path / "b.haktrace") as outcomes:
            program.act()
        assert len(read_events(outcomes[0].traces[0].path, recorded_program)) >= 4 * 50000
        assert program.end() == 5


def test_in_the_terminal(recorded_program: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.haktrace"
    with started(recorded_program, "when-told", "each") as program:
        said = run_workbench("record", "--pid", program.pid, "-o", output, stdin="n\n")
        assert said.status != 0
        assert f"gdb stops process {program.pid} (recorded)" in said.stderr
        assert not output.exists()
        command: list[str | Path] = [WORKBENCH, "record", "--pid", str(program.pid), "--yes", "-o", output]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as reader:
            wait_for(output.exists)
            program.act()
            reader.send_signal(signal.SIGINT)
            _, told = reader.communicate(timeout=CAP_S)
        assert reader.returncode == 0
        assert "still running" in told
        assert list_calls(output, recorded_program) == EACH
        said = run_workbench(
            "record", "--pid", program.pid, "--yes", "--seconds", "0.1", "--force", "--json", "-o", output
        )
        assert said.status == 0
        assert '"still running"' in said.stderr
        assert program.end() == 5


def test_refusals(recorded_program: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.haktrace"
    assert_refused(run_workbench("record", "-o", output), "give a command to run, or --pid")
    assert_refused(run_workbench("record", "--pid", os.getpid(), "-o", output, "--", "true"), "one of them")
    assert_refused(run_workbench("record", "--yes", "-o", output, "--", "true"), "belong to --pid")
    assert_refused(run_workbench("record", "--pid", 2**22 + 1, "--yes", "-o", output), "there is no process")
    with started(recorded_program, "when-told", "each") as program:
        refused = run_workbench("record", "--pid", program.pid, "--yes", "-o", "/nowhere/a.haktrace")
        assert_refused(refused, "/nowhere: no such folder")
        assert b"libhakmem-record" not in Path(f"/proc/{program.pid}/maps").read_bytes()
        assert program.end() == 0
    assert not output.exists()
