"""A program of the user's in the panel: chosen from a plan or typed, tuned while it runs, stopped."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import workbench as wb
from tests.panel.conftest import CAP_S, Desk, step_until
from tests.processes.test_live_program import CLIENT, PYTHON, SERVER
from workbench.errors import BadParameter, WorkbenchError
from workbench.panel.programs import find_programs, read_program
from workbench.panel.protocol import RunForm
from workbench.panel.session import LiveSession
from workbench.sessions import Session

PLAN = f"""
allocators = ["glibc", "hakmem"]
rounds = 20

[[works]]
name = "service"
server = {json.dumps([*PYTHON, SERVER])}
ready = "line:^ready$"
stop = "SIGINT"
client = {json.dumps([*PYTHON, CLIENT])}
figures = [{{ name = "my rate", unit = "1/s", regex = "rate (.*)" }}]
"""
SLEEPER = f"{sys.executable} -Sc 'import time; kept = bytearray(99999); time.sleep(3600)'"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with plans."""
    monkeypatch.chdir(tmp_path)
    Path("service.toml").write_text(PLAN)
    Path("study.toml").write_text('objectives = ["throughput"]\nworkloads = ["pair"]\n')
    Path("wrong.toml").write_text("[[works]]\ncommand = 3\n")
    Path("examples").mkdir()
    work = '[[works]]\nname = "{}"\ncommand = ["sleep", "{}"]\n'
    Path("examples/two.toml").write_text(work.format("short", 1) + work.format("long", 60))
    return tmp_path


@pytest.fixture
def session(folder: Path) -> Iterator[LiveSession]:
    made = LiveSession(folder / "sessions")
    yield made
    made.close()


def form(command: str, allocator: str = "hakmem") -> RunForm:
    return {"workload": "command", "command": command, "allocator": allocator, "parameters": {}}


def test_works_of_plans_are_offered(desk: Desk, folder: Path) -> None:
    desk.ask("hello")
    desk.step()
    offered = {choice["value"]: choice["label"] for choice in desk.state("programs")}
    assert list(offered) == ["service.toml", "examples/two.toml#short", "examples/two.toml#long"]
    assert offered["examples/two.toml#long"] == "sleep 60"
    assert [choice.value for choice in find_programs()] == list(offered)
    assert read_program("examples/two.toml#long").command == ("sleep", "60")
    workload = next(one for one in desk.state("workloads") if one["name"] == "command")
    assert (workload["needs_command"], workload["needs_trace"]) == (True, False)


def test_a_server_of_a_plan_is_tuned_charted_and_recorded(session: LiveSession, folder: Path) -> None:
    session.settings.set_one("tls.max_slots", 512)  # for the start
    session.start(form("service.toml"))
    assert session.state == "starting"
    assert session.write_status() == "starting service under hakmem" or session.target is None
    with pytest.raises(WorkbenchError, match="something runs already"):
        session.attach("command:python")
    step_until(session, lambda: session.state == "running")
    target = session.target
    assert target is not None
    assert target.allocator_block is not None
    assert target.allocator_block.requested().values["tls.max_slots"] == 512
    step_until(session, lambda: "my_rate" in [chart.title for chart in session.charts])
    session.settings.set_one("tls.grow_percent", "61 %")
    step_until(session, lambda: len(target.pids()) == 2)
    for pid in target.pids():
        assert str(pid) not in str(session.find_processes())
        with wb.attach(pid) as block:
            assert block.requested().values["tls.grow_percent"] == 61
    assert session.write_status().startswith("running service under hakmem (2 processes)")
    assert session.shown_spec is not None
    assert (session.shown_spec["workload"], session.shown_spec["command"]) == ("command", "service.toml")
    assert session.progress() is None
    session.stop()
    step_until(session, lambda: not session.is_active)
    assert session.error == ""
    assert re.match(r"service under hakmem.* stopped after ", session.write_status())
    assert "of its client, at most" in session.write_status()
    log = [entry.text for entry in session.all_entries()]
    assert any(line.startswith("starting service under hakmem: ") for line in log)
    assert any(line.startswith("its first figures: my rate 12.5 1/s") for line in log)
    recording = Session.open(next((folder / "sessions").glob("*.session")))
    assert recording.samples["probe.my_rate_1_per_s"].iloc[-1] == 12.5
    assert [step.after for step in recording.steps()] == [{"tls.grow_percent": 61}]


def test_a_command_is_paused_and_stopped_and_the_next_begins(session: LiveSession) -> None:
    for allocator in ("hakmem", "glibc"):
        session.choose(allocator)
        session.start(form(SLEEPER, allocator))
        step_until(session, lambda: session.state == "running")
        assert session.target is not None
        assert session.target.allocator_block is not None
        assert session.target.allocator_block.info.kind == allocator
        session.pause()
        assert session.state == "paused"
        session.resume()
        step_until(session, lambda: bool(session.charts))
        session.stop()
        step_until(session, lambda: not session.is_active)
        assert f"under {allocator} stopped after" in session.write_status()


def test_what_ends_at_once_says_how(session: LiveSession) -> None:
    session.start(form("sh -c 'echo no luck; exit 3'"))
    step_until(session, lambda: not session.is_active)
    assert session.error.startswith("sh under hakmem failed: it ended with exit code 3; it said: no luck")
    session.start(form("true", "mimalloc3"))
    assert session.error == ""
    step_until(session, lambda: not session.is_active)
    assert session.write_status().startswith("true under mimalloc3 completed after 0.")


def test_it_is_stopped_while_it_is_prepared(session: LiveSession, folder: Path) -> None:
    Path("slow.toml").write_text('[[works]]\nname = "slow"\ncommand = "true"\nprepare = "sleep 3600"\n')
    session.start(form("slow.toml"))
    session.step()
    assert session.write_status() == "starting slow under hakmem"
    session.stop()
    assert session.note == "stopping"
    step_until(session, lambda: not session.is_active)
    assert session.write_status().startswith("slow under hakmem stopped after")
    session.start(form("slow.toml"))
    session.close()  # returns, and leaves nothing
    assert session.state == "idle"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (form(""), "a command is empty"),
        (form("echo 'a"), "no closing quotation"),
        (form("no-such-program --x"), "no such program on PATH"),
        (form("missing.toml"), "missing.toml: it cannot be read"),
        (form("study.toml"), "none of its works is a command or a server"),
        (form("wrong.toml"), "a work needs a workload, or a name"),
        (form("examples/two.toml"), "has several works: short, long; choose one, as examples/two.toml#short"),
        (form("examples/two.toml#lon"), "did you mean 'long'"),
        (form("true", "no-allocator"), "no-allocator"),
        (form("true", "hakmem in this kernel"), "choose hakmem"),
        ({**form("true"), "seconds": 3}, "a program ends by itself, or by Stop"),
        ({"workload": "command"}, "a command is empty"),
    ],
)
def test_what_is_wrong_is_one_line(session: LiveSession, given: RunForm, said: str) -> None:
    with pytest.raises(WorkbenchError, match=re.escape(said)) as refused:
        session.start(given)
    assert "\n" not in str(refused.value)
    assert not session.is_active


def test_a_notebook_starts_a_program(folder: Path) -> None:
    with wb.tuning_panel("program") as panel:
        panel.start_program(SLEEPER)
        end_s = time.monotonic() + CAP_S
        while panel.state != "running":
            assert time.monotonic() < end_s
            time.sleep(0.02)
        assert panel.pid is not None
        panel.stop()
        assert "stopped after" in panel.await_end()
        panel.start_program("nothing-of-that-name")
        with pytest.raises(WorkbenchError, match="no such program"):
            panel.await_end()


def test_a_study_of_a_program_is_refused(desk: Desk, folder: Path) -> None:
    from workbench.panel.tuner import Tuner

    tuner = Tuner(folder / "studies", desk.session)
    group = next(iter(tuner._find_groups()))
    with pytest.raises(BadParameter, match="workbench tune"):
        tuner.start(form("true"), "throughput", 2, 1, group)
