"""A group in the panel, and figures that an allocator does not know beside its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import workbench as wb
from tests.control.made_up import MadeUpBlock
from tests.panel.conftest import Desk, read_chart, step_until
from tests.processes.test_group import CAP_S, fork_worker, run_server
from workbench.control import find_blocks
from workbench.errors import BadParameter, WorkbenchError
from workbench.panel.actions import Actions
from workbench.panel.session import LiveSession
from workbench.plots import draw_session
from workbench.probes import probe_from_callable
from workbench.sessions import PresetStore, Session


@pytest.fixture
def session(tmp_path: Path) -> Iterator[LiveSession]:
    """A session that is recorded."""
    made = LiveSession(tmp_path)
    yield made
    made.close()


def list_log(session: LiveSession) -> list[str]:
    return [entry.text for entry in session.all_entries()]


def test_a_group_is_shown_tuned_and_recorded_like_one_process(session: LiveSession, tmp_path: Path) -> None:
    with run_server() as server:
        workers = [fork_worker(server) for _ in range(2)]
        step_until(session, lambda: {*workers} <= {info.pid for info in find_blocks()})
        group = f"parent:{server.pid}"
        offered = {choice.value: choice.label for choice in session.find_processes()}
        assert offered[group].endswith(f" {server.pid} with its children: 3 processes")
        session.attach(group)
        assert session.write_status().startswith(f"attached to {group} (3 processes)")
        session.settings.set_one("tls.grow_percent", "61 %")
        late = fork_worker(server)
        step_until(session, lambda: any(f"began: {late}" in line for line in list_log(session)))
        assert "(4 processes)" in session.write_status()
        for info in find_blocks():
            if info.pid in (server.pid, *workers, late):
                with wb.attach(info.pid) as block:
                    assert block.requested().values["tls.grow_percent"] == 61
        # One has another value, and refuses what does not go with it.
        with wb.attach(late) as block:
            block.set({"tls.initial_slots": 1000})
        step_until(
            session, lambda: "64 in 3, 1000 in 1" in session.settings.describe()["tls.initial_slots"]["note"]
        )
        with pytest.raises(
            BadParameter, match=r"differ: tls\.initial_slots is 64 in 3, 1000 in 1; set them alike"
        ):
            Actions(session, PresetStore(tmp_path / "presets.json")).export("env", str(tmp_path / "out.env"))
        session.settings.set_one("tls.max_slots", 512)
        problem = session.settings.describe()["tls.max_slots"]["problem"]
        assert problem.startswith("1 of 4 processes did not take it: ")
        assert str(late) in problem
        step_until(session, lambda: session.describe_actions()[0]["can_act"])
        session.take_new_entries()
        assert any(line.startswith("you: tls.max_slots 2048 → 512") for line in list_log(session))
        session.detach(restore=True)
        with wb.attach(server.pid) as block:
            assert block.requested().values["tls.grow_percent"] == 80
    recording = Session.open(next(tmp_path.glob("*.session")))
    assert recording.facts.process == f"{group} (3 processes)"
    assert next(iter(recording.steps())).after == {"tls.grow_percent": 61}
    assert recording.samples["resident_bytes"].max() > 0


def test_a_group_that_is_none_is_refused_and_one_that_ends_is_said(
    session: LiveSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.processes.group_block._EMPTY_S", 0.1)
    with pytest.raises(WorkbenchError, match="there is no such process"):
        session.attach("command:^no such program$")
    assert session.state == "idle"
    foreign = "group parent:1: of its processes 2 belong to the user nobody"
    monkeypatch.setattr("workbench.processes.group.Group.describe_foreign", lambda _: foreign)
    with run_server() as server:
        session.attach(f"parent:{server.pid}")
        session.step()
        assert foreign in list_log(session)
    step_until(session, lambda: session.state == "ended")
    assert session.write_status().startswith(f"parent:{server.pid} (")
    assert session.write_status().endswith(") has ended")


def test_a_probe_is_a_chart_with_its_unit_and_a_failing_one_a_gap(desk: Desk, pond: MadeUpBlock) -> None:
    desk.ask("hello")
    desk.ask("add_probe", probe="queue:jobs=echo 7")
    desk.ask("add_probe", probe="words=echo seven")
    desk.step()
    desk.session.probes.add(probe_from_callable("length", lambda: 3.5, "m", period_s=0.02))
    desk.ask("attach", path=str(pond.path))
    end_s = time.monotonic() + CAP_S
    titles: list[str] = []
    while "words" not in desk.state("gaps") or "queue" not in titles:
        titles = [chart["title"] for chart in desk.state("charts")]
        assert time.monotonic() < end_s
        desk.step()
        time.sleep(0.01)
    units = {chart["title"]: chart["unit"] for chart in desk.state("charts")}
    assert (units["queue"], units["length"]) == ("jobs", "m")
    assert desk.state("gaps")["words"] == "the command gave 'seven'; a number is wanted"
    assert any("probe words: the command gave 'seven'" in entry.text for entry in desk.session.all_entries())
    assert desk.session.target is not None
    while desk.session.target.probes.latest()["queue"].reason:
        assert time.monotonic() < end_s
        time.sleep(0.01)
    desk.ask("report", visible=["queue", "length"], width=300, span=0, zooms=[])
    desk.step()
    frame, buffer = next(one for one in reversed(desk.messages) if one[0]["type"] == "frame")
    assert read_chart(frame, buffer, "queue")["probe.queue"][-1] == 7
    # It is pinned like any other, and gone when it is removed.
    desk.ask("pin")
    desk.ask("remove_probe", name="words")
    desk.step()
    desk.step()
    assert desk.session.pinned is not None
    assert "queue" in [chart.title for chart in desk.session.pinned.charts]
    assert "words" not in [chart["title"] for chart in desk.state("charts")]
    assert "words" not in desk.state("gaps")


def test_a_function_that_hangs_delays_nothing(desk: Desk, pond: MadeUpBlock) -> None:
    held = threading.Event()
    desk.session.probes.add(probe_from_callable("stuck", lambda: float(held.wait(CAP_S)), period_s=0.02))
    desk.ask("attach", path=str(pond.path))
    try:
        started_s = time.monotonic()
        for _ in range(5):
            desk.step()
        assert desk.session.error == ""
        assert desk.session.target is not None
        assert desk.session.target.recorder.history.sample_count == 5
        while "stuck" not in desk.session.probes.gaps:
            assert time.monotonic() - started_s < CAP_S
            desk.step()
            time.sleep(0.05)
        assert "it has not answered for" in desk.session.probes.gaps["stuck"]
        desk.session.close()  # does not wait for it
    finally:
        held.set()


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ("proces.resident", "did you mean 'process.resident'"),
        ("queue:jobs=", "such as rps:requests"),
        ("rps=http://192.0.2.1/metrics#rps", "is not this machine"),
        ("a b=echo 1", "such as rps:requests"),
    ],
)
def test_what_is_no_probe_is_refused_with_an_example(desk: Desk, given: str, wrong: str) -> None:
    desk.ask("add_probe", probe=given)
    desk.step()
    assert wrong in desk.session.error


def test_there_is_one_probe_of_a_name_and_not_a_thousand(session: LiveSession) -> None:
    for number in range(64):
        session.probes.add_probe(f"p{number}=echo 1")
    with pytest.raises(BadParameter, match="there is one of that name"):
        session.probes.add_probe("p3=echo 1")
    with pytest.raises(BadParameter, match="64 are read already"):
        session.probes.add_probe("p64=echo 1")
    with pytest.raises(BadParameter, match="there is p0"):
        session.probes.remove_probe("q")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("probe p")]


def test_probes_are_recorded_and_shown_again(session: LiveSession, pond: MadeUpBlock, tmp_path: Path) -> None:
    session.attach(str(pond.path))
    session.step()
    session.probes.add(probe_from_callable("length", lambda: 2.5, "m", period_s=0.02))
    session.probes.add_probe("none=exit 3")
    step_until(session, lambda: "none" in session.probes.gaps)
    assert session.target is not None
    history = session.target.recorder.history
    seen_s = history.last_time_s  # the next sample has the reason too
    step_until(session, lambda: history.last_time_s > seen_s and history.last("probe.length") == 2.5)
    session.detach(restore=False)
    recording = Session.open(next(tmp_path.glob("*.session")))
    length, none = recording.facts.probes
    assert (length.name, length.source, length.reason) == ("length", "", "")
    assert none.source == "none=exit 3"
    assert "ended with status 3" in none.reason
    assert recording.samples["probe.length_m"].iloc[-1] == 2.5
    assert {"length", "none"} <= {title.text for title in draw_session(recording).layout.annotations}


def test_a_note_is_marked_told_and_recorded(session: LiveSession, pond: MadeUpBlock, tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="nothing runs here"):
        session.add_note("too early")
    session.attach(str(pond.path))
    session.step()
    session.add_note(" load doubled ")
    session.step()
    (marker,) = session.markers()
    assert marker.text == "note: load doubled"
    assert "note: load doubled" in list_log(session)
    session.detach(restore=False)
    recording = Session.open(next(tmp_path.glob("*.session")))
    (note,) = recording.facts.notes
    assert note.text == "load doubled"
    assert note.time_s == pytest.approx(marker.time_s)
    assert "load doubled" in str(recording.to_table().notes)
    shapes = draw_session(recording).layout.shapes
    assert {shape.x0 for shape in shapes} == {note.time_s}
