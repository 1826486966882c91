"""A program that goes on until it is stopped: its control block, its client again and again, its end."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.processes.test_group import CAP_S
from workbench.processes.figures import Figure
from workbench.processes.live_program import LiveProgram
from workbench.processes.outcome import Outcome
from workbench.processes.runs import Run
from workbench.processes.server import Server

PYTHON = (sys.executable, "-Sc")
# Says when it is ready, has a child, and writes down how it was stopped.
SERVER = """
import os, signal, sys
from pathlib import Path
def stop(number, frame):
    if child:
        Path("stopped").write_text(str(number))
    sys.exit()
signal.signal(signal.SIGINT, stop)
print("ready", flush=True)
child = os.fork()
kept = [bytearray(100) for _ in range(20000)]
while True:
    signal.pause()
"""
CLIENT = "import time; time.sleep(0.05); print('rate 12.5')"


@contextmanager
def start(run: Run) -> Iterator[LiveProgram]:
    program = LiveProgram(run)
    try:
        yield program
    finally:
        program.close()
    assert not any(thread.is_alive() for thread in [program._thread])
    if program.pid is not None:
        assert not psutil.pid_exists(program.pid)


def await_that(holds: Callable[[], object]) -> None:
    end_s = time.monotonic() + CAP_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def await_end(program: LiveProgram) -> Outcome:
    await_that(program.poll)
    outcome = program.poll()
    assert outcome is not None
    return outcome


@pytest.mark.parametrize("allocator", ["hakmem", "glibc"])
def test_a_server_runs_with_its_client_again_and_again_until_it_is_stopped(
    allocator: str, tmp_path: Path
) -> None:
    run = Run(
        "service",
        folder=tmp_path,
        command=(*PYTHON, CLIENT),
        server=Server((*PYTHON, SERVER), ready="^ready$", stop="SIGINT"),
        figures=(Figure("rate", "1/s", regex="rate (.*)"),),
        allocator=allocator,
    )
    with start(run) as program:
        await_that(program.is_open)
        block = program.allocator_block
        assert block is not None
        assert block.info.kind == allocator
        await_that(lambda: len(block.pids) == 2)  # with its child; the client is not one of them
        assert block.pids[0] == program.pid
        await_that(lambda: program.figures)
        assert program.figures == {"rate": 12.5}
        news = program.take_news()
        assert any(line.startswith("ready after ") for line in news)
        assert "its first figures: rate 12.5 1/s" in news
        await_that(lambda: program._clients >= 2)
        program.stop()
        outcome = await_end(program)
        assert (outcome.status, outcome.message) == ("stopped", "it was stopped on request")
        assert outcome.operations >= 2
        assert outcome.peak_resident_bytes > 2 << 20
        assert (tmp_path / "stopped").read_text() == str(int(signal.SIGINT))


def test_a_command_runs_to_its_end_and_tells_its_figures(tmp_path: Path) -> None:
    (tmp_path / "input").write_text("3")
    text = "import time; kept = bytearray(99999); time.sleep(0.3); print(open('input').read())"
    figures = (Figure("count", regex="[0-9]+"), Figure("none", regex="missing"))
    run = Run("reader", command=(*PYTHON, text), inputs=(tmp_path / "input",), figures=figures)
    with start(run) as program:
        await_that(program.is_open)
        outcome = await_end(program)
        assert (outcome.status, outcome.exit_code) == ("completed", 0)
        assert program.figures == {"count": 3}
        assert "figure none: nothing in the output matches 'missing'" in program.take_news()


def test_it_stands_still_and_goes_on() -> None:
    with start(Run("sleeper", command=(*PYTHON, "import time; time.sleep(3600)"))) as program:
        await_that(program.is_open)
        assert program.pid is not None
        process = psutil.Process(program.pid)
        program.pause()
        await_that(lambda: process.status() == psutil.STATUS_STOPPED)
        program.resume()
        await_that(lambda: process.status() != psutil.STATUS_STOPPED)
        program.pause()
        program.stop()  # also while it stands still
        assert await_end(program).status == "stopped"


def test_one_that_does_not_end_is_killed_with_all_that_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.processes.live_program._STOP_GRACE_S", 0.1)
    text = "import signal, subprocess, time; signal.signal(15, signal.SIG_IGN)\n"
    text += "subprocess.Popen(['sleep', '3601'], start_new_session=True); time.sleep(3600)"
    with start(Run("stubborn", command=(*PYTHON, text))) as program:
        await_that(program.is_open)
        assert program.pid is not None
        process = psutil.Process(program.pid)
        await_that(process.children)
        children = process.children()
        program.stop()
        assert await_end(program).status == "stopped"
        assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize(
    ("run", "status", "said"),
    [
        (Run("x", command=("sh", "-c", "echo oh no; exit 3")), "failed", "exit code 3; it said: oh no"),
        (Run("x", command=("sh", "-c", "kill -SEGV $$")), "crashed", "SIGSEGV"),
        (
            Run("x", command=("true",), prepare=("false",)),
            "failed",
            "false, which prepares: it ended with exit code 1",
        ),
        (
            Run("x", command=("false",), server=Server(("sleep", "3600"), ready=("true",))),
            "failed",
            "the client ended with exit code 1",
        ),
        (
            Run("x", command=("true",), server=Server(("sh", "-c", "sleep 0.5; exit 4"), ready=("true",))),
            "failed",
            "the server ended with exit code 4",
        ),
        (
            Run("x", command=("true",), server=Server(("sleep", "3600"), free_port(), ready_timeout_s=0.3)),
            "failed",
            "the server was not ready within 0.3 s: nothing listens at port",
        ),
    ],
)
def test_what_goes_wrong_is_its_outcome(run: Run, status: str, said: str) -> None:
    with start(run) as program:
        outcome = await_end(program)
        assert (outcome.status, said in outcome.message) == (status, True), outcome.message
        await_that(program.is_open)


@pytest.mark.parametrize(
    "run",
    [
        Run("x", command=("true",), prepare=("sleep", "3602")),
        Run("x", command=("sleep", "3602"), server=Server(("sleep", "3603"), ready=("true",))),
        Run("x", command=("true",), server=Server(("sleep", "3603"), ready="^never$")),
        Run("x", command=("true",), server=Server(("sleep", "3603"), ready=("sleep", "3604"))),
    ],
    ids=["prepares", "client runs", "not ready", "asks"],
)
@pytest.mark.parametrize("is_closed", [False, True])
def test_it_can_be_ended_at_any_moment(run: Run, is_closed: bool) -> None:
    ours = psutil.Process()
    with start(run) as program:
        await_that(lambda: [one for one in ours.children(recursive=True) if "sleep" in one.name()])
        if not is_closed:
            program.stop()
            assert await_end(program).status == "stopped"
    assert not [one for one in ours.children(recursive=True) if "sleep" in one.name()]
