"""The panel's session on disk: recorded as it goes on, repeated exactly, never in the session's way."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.conftest import run_evaluator
from tests.control.made_up import MadeUpBlock
from tests.panel.conftest import step_until
from workbench.control import DO
from workbench.errors import BadParameter
from workbench.panel.protocol import RunForm
from workbench.panel.session import LiveSession
from workbench.processes import Program
from workbench.sessions import Session, compare_sessions, explain_inexactness, repeat_session

PHASES: RunForm = {"workload": "phases", "allocator": "hakmem", "threads": "1", "seed": "4", "seconds": "0"}
CAP_S = 180
SOME_BYTES = 50_000  # the description of its columns, and some samples

RECORD_UNTIL_KILLED = """
import sys, time
from pathlib import Path
from workbench.control import ControlBlock
from workbench.panel.session import LiveSession
session = LiveSession(Path(sys.argv[1]))
session.settings.set_one("clock.mode", "operations")
session.start({"workload": "larson", "allocator": "hakmem", "threads": "1", "seed": "4", "seconds": "0"})
print(session.target.pid, flush=True)
while True:
    session.step()
    time.sleep(0.02)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where this test's sessions are recorded; a name that a shell would trip over."""
    return tmp_path / 'it\'s my "$recordings"'


@pytest.fixture
def session(folder: Path) -> Iterator[LiveSession]:
    """A session that is recorded."""
    made = LiveSession(folder)
    yield made
    made.close()


def count(session: LiveSession) -> int:
    assert session.target is not None
    assert session.target.workload_block is not None
    return int(session.target.workload_block.snapshot().fold("workload.operations"))


def has_samples(folder: Path) -> bool:
    """Whether samples are on disk. Each new column begins another file, so any of the files may grow."""
    return any(path.stat().st_size >= SOME_BYTES for path in folder.glob("*.session/samples-*.arrows"))


def open_latest(session: LiveSession) -> Session:
    assert session.keeper.latest is not None
    return Session.open(session.keeper.latest)


def test_a_live_session_is_repeated_event_for_event(session: LiveSession, tmp_path: Path) -> None:
    session.settings.set_one("clock.mode", "operations")
    session.start(PHASES)
    for value in ("60", "70"):
        least = count(session) + 200_000
        step_until(session, lambda least=least: count(session) >= least)  # type: ignore[misc]
        session.settings.set_one("tls.grow_percent", value)
    # A drag is one line of the log; what it set on the way is recorded all the same.
    for slots in (1024, 512, 256):
        session.settings.set_one("tls.max_slots", slots, gesture="drag")
    session.settings.undo()
    session.settings.act("purge")
    assert session.settings.error == ""
    note = r"\d\d:\d\d\.\d: .* → .* MiB resident"
    step_until(session, lambda: any(re.fullmatch(note, one["note"]) for one in session.describe_actions()))
    assert [one.text for one in session.markers() if one.text.startswith("purge: ")]
    assert any(entry.text == "you: purge" for entry in session.take_new_entries())
    session.stop()
    step_until(session, lambda: session.state == "ended")
    recording = open_latest(session)
    assert recording.facts.status == "stopped"
    assert len(recording.steps()) == 7
    assert recording.steps()[-1].after == {"purge": DO}
    assert explain_inexactness(recording) == []
    assert {"TLS_GROW", "TUNABLE_ADOPT"} <= set(recording.events["kind"])
    agreement = compare_sessions(recording, repeat_session(recording, tmp_path))
    assert agreement.is_exact, agreement.describe()


def test_a_run_of_several_threads_says_why_it_is_not_exact(session: LiveSession) -> None:
    session.start({**PHASES, "threads": "2", "operations": "2000000", "seconds": "0"})
    session.settings.set_one("tls.grow_percent", 60)
    step_until(session, lambda: session.state == "ended")
    recording = open_latest(session)
    assert recording.operations == 2_000_000
    assert any("2 threads" in reason for reason in explain_inexactness(recording))
    assert session.progress() == 1.0
    assert session.keeper.save_notebook().suffix == ".ipynb"
    page = session.keeper.save_page()
    assert page == recording.path.with_suffix(".html")
    assert "tls.grow_percent" in page.read_text(encoding="utf-8")


def test_a_kernel_killed_in_the_middle_loses_the_last_second_at_most(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", RECORD_UNTIL_KILLED, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout is not None
        pid = int(kernel.stdout.readline())
        deadline = time.monotonic() + CAP_S
        try:
            while not has_samples(folder):
                assert time.monotonic() < deadline
                time.sleep(0.02)
        finally:
            kernel.send_signal(signal.SIGKILL)
    while Path(f"/proc/{pid}").exists():  # it dies with its kernel
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (path,) = folder.glob("*.session")
    recording = Session.open(path)
    assert not recording.facts.is_complete
    assert recording.operations
    agreement = compare_sessions(recording, repeat_session(recording, tmp_path))
    assert agreement.is_exact, agreement.describe()


def test_a_full_disk_is_said_and_the_session_goes_on(session: LiveSession, folder: Path) -> None:
    session.start(PHASES)
    writer = session.keeper._writer
    assert writer is not None
    step_until(session, lambda: has_samples(folder))

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for stream in writer._streams.values():
        stream.append = refuse  # type: ignore[assignment]
    step_until(session, lambda: bool(session.keeper.problem))
    assert "No space left on device; the session goes on" in session.write_status()
    lines = [entry for entry in session.all_entries() if "recording ended" in entry.text]
    assert len(lines) == 1
    before = count(session)
    step_until(session, lambda: count(session) > before)
    session.stop()
    step_until(session, lambda: session.state == "ended")
    assert len(open_latest(session).samples) > 0
    # The next one is recorded again, if there is room.
    session.start({**PHASES, "seconds": "0.1"})
    assert session.keeper.describe()["is_recording"]
    step_until(session, lambda: session.state == "ended")


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    session = LiveSession(tmp_path / "file")
    session.start({**PHASES, "seconds": "0.1"})
    step_until(session, lambda: session.state == "ended")
    assert any("recording ended" in entry.text for entry in session.all_entries())
    with pytest.raises(BadParameter, match="nothing was recorded"):
        session.keeper.save_notebook()


def test_recording_can_be_switched_off(session: LiveSession, folder: Path) -> None:
    session.keeper.switch(False)
    session.start({**PHASES, "seconds": "0.1"})
    step_until(session, lambda: session.state == "ended")
    assert not folder.exists()
    session.keeper.switch(True)
    session.start(PHASES)
    session.step()
    session.keeper.switch(False)
    assert open_latest(session).facts.note == "recording was switched off"
    session.keeper.switch(True)
    session.step()
    session.close()
    assert len(list(folder.glob("*.session"))) == 2


def test_an_attached_process_is_recorded_until_it_exits(session: LiveSession, tmp_path: Path) -> None:
    with Program.start(
        [sys.executable, "-c", "input_ = [bytes(200)] * 9\nimport time\ntime.sleep(600)"]
    ) as program:
        with program.open_block() as block:
            path = str(block.info.path)
        session.attach(path)
        session.step()
        session.settings.set_one("tls.max_slots", 512)
        session.step()
        os.kill(program.pid, signal.SIGTERM)
        program.wait(CAP_S)
        step_until(session, lambda: session.state == "ended")
    assert "has ended" in session.write_status()
    recording = open_latest(session)
    assert recording.spec is None
    assert recording.facts.status == "ended"
    assert [step.after for step in recording.steps()] == [{"tls.max_slots": 512}]
    with pytest.raises(BadParameter, match="cannot be run again"):
        session.keeper.save_notebook()


def test_two_panels_on_one_process_see_each_others_changes(session: LiveSession, tmp_path: Path) -> None:
    session.settings.set_one("clock.mode", "operations")
    session.start(PHASES)
    assert session.target is not None
    assert session.target.allocator_block is not None
    other = LiveSession(tmp_path / "other")
    other.attach(str(session.target.allocator_block.info.path))
    # The run can be repeated exactly, so each panel's own pump sets what its controls ask for.
    other.settings.set_one("tls.grow_percent", 61)
    other.step()
    session.step()
    session.settings.set_one("tls.max_slots", 512)
    session.step()
    other.step()
    for panel in (session, other):
        panel.take_new_entries()
    assert any("another panel: tls.grow_percent 80 → 61 %" in e.text for e in session.all_entries())
    assert any("another panel: tls.max_slots 2048 → 512 slots" in e.text for e in other.all_entries())
    assert session.settings.requested()["tls.grow_percent"] == 61
    assert other.settings.requested()["tls.max_slots"] == 512
    # The second panel has the workload's throughput too, and undoes its own changes only.
    other.settings.undo()
    assert session.settings.requested()["tls.grow_percent"] == 80
    assert session.settings.requested()["tls.max_slots"] == 512
    other.step()
    session.stop()
    step_until(session, lambda: session.state == "ended")
    step_until(other, lambda: other.state == "ended")
    causes = [step.cause for step in open_latest(session).steps()]
    assert causes == ["another panel", "you", "another panel"]
    other.close()


def test_another_program_is_named(session: LiveSession, pond: MadeUpBlock) -> None:
    session.attach(str(pond.path))
    code = "import sys\nfrom workbench.control import ControlBlock\n"
    code += "ControlBlock.open(sys.argv[1]).set({'pond.depth': 9})"
    subprocess.run([sys.executable, "-c", code, str(pond.path)], check=True)
    session.step()
    (change,) = session.settings.changes.entries()
    assert change.cause.startswith("pid ")
    assert (change.before["pond.depth"], change.after) == (4, {"pond.depth": 9})


def test_a_run_in_the_kernel_is_recorded_as_what_it_was(session: LiveSession) -> None:
    session.start({**PHASES, "allocator": "hakmem in this kernel", "seconds": "0.2"})
    step_until(session, lambda: session.state == "ended")
    recording = open_latest(session)
    assert recording.facts.is_exploratory
    assert any("kernel's own process" in reason for reason in explain_inexactness(recording))


def test_a_program_under_the_agent_is_tuned_and_trimmed(session: LiveSession) -> None:
    with run_evaluator("glibc", "glibc") as program:
        program.tell("kept = [bytes(1000) for _ in range(64000)]")
        program.tell("last = bytes(1000)")
        program.tell("kept.clear()")
        with program.open() as block:
            session.attach(str(block.info.path))
        settings = session.settings
        assert settings.describe()["M_TOP_PAD"]["note"] == "not set: the allocator decides"
        settings.set_one("M_TOP_PAD", "1 MiB")
        step_until(session, lambda: settings.describe()["M_TOP_PAD"]["note"].startswith("set to "))
        settings.set_one("arena_max", 2)
        assert "takes effect at start" in settings.describe()["arena_max"]["problem"]
        settings.act("trim")
        settings.act("sing")
        assert "sing: no process runs here that has such an action" in settings.error
        step_until(session, lambda: any("MiB" in one["note"] for one in session.describe_actions()))
        (mark,) = [one.text for one in session.markers() if one.text.startswith("trim: ")]
        before, after = (float(text) for text in re.findall(r"([\d.]+) MiB", mark))
        assert before - after > 5
        session.detach(restore=True)
    recording = open_latest(session)
    assert [dict(step.after) for step in recording.steps()[:2]] == [{"M_TOP_PAD": 2**20}, {"trim": DO}]
    assert recording.events["kind"].tolist().count("ACTION") == 1
    with pytest.raises(BadParameter, match="cannot be run again"):
        repeat_session(recording)
