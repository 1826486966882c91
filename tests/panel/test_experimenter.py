"""The panel's live experiments: begun on what is attached to, told as they go on, stopped, kept."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.experiments.live_programs import KNOB, A, B, make_probe, run_busy
from workbench.control import ControlBlock
from workbench.errors import WorkbenchError
from workbench.experiments.live_result import LiveResult
from workbench.panel.experimenter import Experimenter
from workbench.panel.session import LiveSession
from workbench.panel.tuning_panel import TuningPanel

CAP_S = 60
REQUEST: dict[str, Any] = {
    "a": {KNOB: str(A)}, "b": {KNOB: f"{B} slots"}, "probes": ["speed"], "blocks": "24", "block_s": "0.1",
    "wash_out_s": "0", "period_s": "0.02", "seed": 1,
}  # fmt: skip


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + CAP_S
    while not is_true():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def busy() -> Iterator[subprocess.Popen[str]]:
    with run_busy() as process:
        yield process


@pytest.fixture
def block(busy: subprocess.Popen[str]) -> Iterator[ControlBlock]:
    with ControlBlock.open(busy.pid) as opened:
        opened.set({KNOB: A})
        yield opened


@pytest.fixture
def session(block: ControlBlock) -> Iterator[LiveSession]:
    """A session that is attached to the program, with a probe whose truth is known."""
    made = LiveSession()
    made.attach(str(block.info.path))
    made.probes.add(make_probe(block))
    yield made
    made.close()


@pytest.fixture
def experimenter(session: LiveSession, tmp_path: Path) -> Iterator[Experimenter]:
    made = Experimenter(tmp_path / "experiments", session)
    yield made
    made.close()
    assert not made.is_running


def begin(experimenter: Experimenter, **changes: Any) -> None:
    experimenter.start(**(REQUEST | changes))


def test_an_experiment_is_told_as_it_goes_on_and_is_kept(
    experimenter: Experimenter, session: LiveSession, block: ControlBlock
) -> None:
    told = experimenter.describe()
    assert told.state == "idle"
    assert {"speed", "process.resident", "ss.busy_slabs"} <= set(told.probes)
    begin(experimenter)
    with pytest.raises(WorkbenchError, match="an experiment goes on already"):
        begin(experimenter)
    seen: list[int] = []

    def look() -> bool:
        session.step()
        seen.append(len(experimenter.describe().figures[0].points))
        return not experimenter.is_running

    wait_until(look)
    told = experimenter.describe()
    assert (told.state, told.text, told.lines) == ("ended", "ended after 24 of 24 blocks", ["A is restored"])
    assert any(0 < count < 24 for count in seen)
    (figure,) = told.figures
    assert figure.verdict.startswith("B / A 1.0")
    assert figure.verdict.endswith("), better")
    # A block that a busy machine holds up is not judged.
    assert 8 <= [arm for arm, _, _ in figure.points].count("A") <= 12
    assert LiveResult.read(told.path).pairs == 12
    # The log says who set it, and the next one who does is somebody else again.
    causes = {change.cause for change in session.settings.changes.entries()}
    assert causes == {"experiment"}
    assert len(session.markers()) == 1  # of 24 blocks
    block.set({KNOB: 777})
    assert session.settings.changes.entries()[-1].cause == "another panel"


def test_a_pilot_changes_nothing_and_foretells_how_long_it_takes(
    experimenter: Experimenter, block: ControlBlock
) -> None:
    before = block.requested()
    begin(experimenter, pilot_s="0.5")
    wait_until(lambda: not experimenter.is_running)
    told = experimenter.describe()
    assert (told.state, told.text, told.path) == ("ended", "the pilot ended", "")
    assert told.lines == ["speed: the pilot was too short to say how long the experiment takes"]
    assert block.requested() == before


def test_a_guard_of_the_panels_probes_ends_it(experimenter: Experimenter, block: ControlBlock) -> None:
    begin(experimenter, blocks="400", guards=["speed<50"], probes=["process.minor_faults"])
    wait_until(lambda: not experimenter.is_running)
    assert experimenter.describe().lines[0].startswith("guard speed<50 was broken")
    assert experimenter.describe().lines[1] == "A is restored"


def test_the_throughput_of_a_workload_is_suggested_and_judged(tmp_path: Path) -> None:
    session = LiveSession()
    experimenter = Experimenter(tmp_path, session)
    try:
        session.start({"workload": "larson", "threads": 1})
        wait_until(lambda: experimenter.describe().suggested == "workload.operations")
        assert experimenter.describe().probes[0] == "workload.operations"
        begin(experimenter, probes=["workload.operations"])
        wait_until(lambda: not experimenter.is_running)
        (figure,) = experimenter.describe().figures
        assert figure.unit == "operations/s"
        # Some blocks of a busy machine are not judged, or show a workload that had no processor.
        assert sum(level > 0 for _, _, level in figure.points) >= 8
    finally:
        experimenter.close()
        session.close()


def test_stop_restores_a_and_a_slider_ends_it(
    experimenter: Experimenter, session: LiveSession, block: ControlBlock
) -> None:
    begin(experimenter, blocks="400")
    wait_until(lambda: len(experimenter.describe().figures[0].points) > 2)
    experimenter.stop()
    wait_until(lambda: not experimenter.is_running)
    assert experimenter.describe().lines == ["it was stopped", "A is restored"]
    assert block.requested().values[KNOB] == A
    begin(experimenter, blocks="400")
    wait_until(lambda: len(experimenter.describe().figures[0].points) > 2)
    session.settings.set_one(KNOB, "700")
    wait_until(lambda: not experimenter.is_running)
    assert f"somebody set {KNOB} to 700: it stays so" in experimenter.describe().lines[0]
    assert block.requested().values[KNOB] == 700


@pytest.mark.parametrize("restore", [True, False])
def test_it_ends_when_the_panel_lets_go(
    experimenter: Experimenter, session: LiveSession, block: ControlBlock, restore: bool
) -> None:
    begin(experimenter, blocks="400")
    wait_until(lambda: len(experimenter.describe().figures[0].points) > 2)
    session.detach(restore=restore)
    wait_until(lambda: not experimenter.is_running)
    assert experimenter.describe().state == "ended"
    assert block.requested().values[KNOB] == A
    with pytest.raises(WorkbenchError, match="nothing runs here"):
        begin(experimenter)


@pytest.mark.parametrize(
    ("changes", "said", "field"),
    [
        ({"b": {}}, "say what is tried", ""),
        ({"b": {"tls.max_slot": "1"}}, "did you mean 'tls.max_slots'", ""),
        ({"b": {KNOB: "many"}}, KNOB, ""),
        ({"b": {KNOB: 10**9}}, "out of range", ""),
        ({"b": {"l25.initial_shards": "128"}, "a": {}}, "takes effect at start only", ""),
        ({"probes": ["sped"]}, "probe 'sped'", "probes"),
        ({"probes": []}, "needs a probe", "probes"),
        ({"probes": ["speed", "speed"]}, "speed stands twice; give it once", "probes"),
        ({"a": {}, "b": {KNOB: A}}, "B is what the process has", ""),
        ({"blocks": "8"}, "give at least 16", "blocks"),
        ({"blocks": "many"}, "blocks: 'many' is not a number", "blocks"),
        ({"blocks": "2000"}, "blocks: 2000 is out of range", "blocks"),
        ({"block_s": ""}, "block length: '' is not a number; give seconds", "block_s"),
        ({"wash_out_s": "1"}, "leaves nothing", "wash_out_s"),
        ({"period_s": "0"}, "reading every: 0 is out of range", "period_s"),
        ({"period_s": "1"}, "give blocks of at least", "block_s"),
        ({"blocks": "16", "looks": "9"}, "looks: 9 is not within 1 to the 8 pairs", "looks"),
        ({"blocks": "16", "looks": "4"}, "and 4 looks; give at least", "blocks"),
        ({"guards": ["speed"]}, "give PROBE<LIMIT", "guards"),
        ({"guards": ["errors<5"]}, "probe 'errors'", "guards"),
        ({"pilot_s": "-1"}, "pilot: -1 s is out of range", "pilot_s"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_before_anything_is_set(
    experimenter: Experimenter, block: ControlBlock, changes: Mapping[str, Any], said: str, field: str
) -> None:
    before = block.requested()
    with pytest.raises(WorkbenchError) as caught:
        begin(experimenter, **changes)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    told = experimenter.describe()
    assert (told.refused, told.wrong) == (str(caught.value), field)
    assert not experimenter.is_running
    assert block.requested() == before


def test_a_value_that_was_cut_is_told(experimenter: Experimenter, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise WorkbenchError("B: it was refused")

    monkeypatch.setattr("workbench.experiments.live.LiveExperiment._await_adoption", refuse)
    begin(experimenter)
    wait_until(lambda: not experimenter.is_running)
    assert (experimenter.describe().state, experimenter.describe().text) == ("failed", "B: it was refused")


def test_a_notebook_runs_one_on_a_group_and_closing_the_panel_restores_a(
    block: ControlBlock, busy: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan: dict[str, Any] = {
        "probes": ["process.resident"],
        "blocks": 400,
        "block_s": 0.1,
        "wash_out_s": 0.0,
        "period_s": 0.03,
    }
    with TuningPanel() as panel:
        panel.experiment({KNOB: B}, **plan)
        wait_until(lambda: "nothing runs here" in panel.error)
        panel.attach(f"parent:{busy.pid}")
        panel.experiment(
            {KNOB: B}, probes=["process.resident"], blocks=400, block_s=0.1, wash_out_s=0.0, period_s=0.03
        )
        wait_until(lambda: panel.experimenting["text"].startswith("block "))
        panel.stop_experiment()
        wait_until(lambda: panel.experimenting["state"] == "ended")
        assert panel.experimenting["lines"] == ["it was stopped", "A is restored"]
        assert any(f"experiment: {KNOB}={B} (B)" in line for line in panel.log)
        panel.experiment(
            {KNOB: B}, probes=["process.resident"], blocks=400, block_s=0.1, wash_out_s=0.0, period_s=0.03
        )
        wait_until(lambda: panel.experimenting["text"].startswith("block "))
    assert block.requested().values[KNOB] == A
    assert "workbench-experiment" not in {thread.name for thread in threading.enumerate()}
    assert len(list((tmp_path / "experiments").iterdir())) == 2
