"""The panel's studies: begun on the workload of the form, told as they go on, stopped, applied."""

from __future__ import annotations

import functools
import importlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import run_workbench
from tests.tuning.fakes import FakeMeasurer, hidden_optimum, same
from workbench.errors import WorkbenchError
from workbench.experiments import Result, Run
from workbench.panel.session import LiveSession
from workbench.panel.tuner import Tuner
from workbench.panel.tuning_panel import TuningPanel

CAP_S = 180
SPEC = {
    "workload": "phases", "allocator": "hakmem", "threads": "1", "seed": "1", "seconds": "0",
    "parameters": {},
}  # fmt: skip
REQUEST: dict[str, Any] = {
    "spec": SPEC,
    "objective": "throughput",
    "tunables": ["tls.grow_percent"],
    "trials": "4",
    "seconds": "0.5",
}


def begin(tuner: Tuner, **changes: Any) -> Path:
    """A study; the path of its file."""
    tuner.start(**(REQUEST | changes))
    return Path(tuner.describe().path)


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + CAP_S
    while not is_true():
        assert time.monotonic() < deadline, "did not come true"
        time.sleep(0.01)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In memory: a study waits for the disk after each run, and these have hundreds that take no time."""
    with tempfile.TemporaryDirectory(prefix="tuner-", dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def tuner(tmp_path: Path) -> Iterator[Tuner]:
    """A tuner whose settings near 60 % are a fifth faster."""
    made = Tuner(tmp_path / "studies", LiveSession(), FakeMeasurer(hidden_optimum))
    yield made
    made.close()
    assert not made.is_running


def test_a_study_is_told_as_it_goes_on_and_its_file_is_one_of_the_command(
    tuner: Tuner, tmp_path: Path
) -> None:
    assert tuner.describe().state == "idle"
    assert "TLS cache" in tuner.describe().groups
    path = begin(tuner)
    assert path.parent == tmp_path / "studies"
    wait_until(lambda: not tuner.is_running)
    told = tuner.describe()
    assert (told.state, told.objectives) == ("done", ("throughput",))
    assert [row.number for row in told.rows] == [3, 2, 1, 0]
    assert [point[0] for point in told.points] == [0, 1, 2, 3]
    assert told.best.startswith("trial ")
    assert "tls.grow_percent 61 %" in told.best
    assert any("better than the defaults on what was held out" in line for line in told.lines)
    assert tuner.best == {"tls.grow_percent": 61}
    shown = run_workbench("tune", path, "--show", "--json").json
    assert (shown["finished"], shown["best_settings"]) == (4, {"tls.grow_percent": 61})


def test_where_nothing_is_better_it_says_so(tmp_path: Path) -> None:
    tuner = Tuner(tmp_path, LiveSession(), FakeMeasurer(same))
    begin(tuner, group="TLS cache", tunables=[], objective="both", trials=2)
    wait_until(lambda: not tuner.is_running)
    told = tuner.describe()
    assert told.lines == ["nothing beats the defaults: keep them"]
    assert (told.best, tuner.best) == ("", {})
    assert all(len(row.ratios) == 2 for row in told.rows)


def test_stop_ends_a_run_that_goes_on(tmp_path: Path) -> None:
    tuner = Tuner(tmp_path, LiveSession())
    path = begin(tuner, seconds="600")
    wait_until((path.parent / f"{path.stem}.results").exists)
    with pytest.raises(WorkbenchError, match="a study goes on already"):
        begin(tuner)
    tuner.stop()
    wait_until(lambda: not tuner.is_running)
    told = tuner.describe()
    assert told.state == "stopped"
    assert f"workbench tune {path}" in told.text
    shown = run_workbench("tune", path, "--show", "--json").json
    assert [one["outcome"] for one in shown["trials"]] in ([], ["running"])


def test_values_are_tried_while_it_goes_on_and_a_stopped_study_goes_on(tmp_path: Path) -> None:
    measurer = FakeMeasurer(hidden_optimum)
    entered, may_go_on = threading.Event(), threading.Event()

    def measure(run: Run, *, warm_bytes: int | None = None) -> Result:
        entered.set()
        assert may_go_on.wait(CAP_S)
        return measurer(run)

    session = LiveSession()
    tuner = Tuner(tmp_path, session, measure)
    with pytest.raises(WorkbenchError, match="no study goes on"):
        tuner.try_values()
    path = begin(tuner, trials="3")
    assert entered.wait(CAP_S)
    session.settings.apply({"tls.grow_percent": 66, "tls.max_slots": 64}, "notebook")  # one is not searched
    tuner.try_values()
    tuner.stop()
    may_go_on.set()
    wait_until(lambda: not tuner.is_running)
    assert tuner.describe().state == "stopped"
    again = Tuner(tmp_path / "another panel", session, measurer)
    again.go_on(str(path))
    wait_until(lambda: not again.is_running)
    assert again.describe().state == "done"
    told = run_workbench("tune", path, "--show", "--json").json["trials"]
    assert [(one["is_injected"], one["number"]) for one in told] == [(False, 0), (True, 1), (False, 2)]
    assert told[1]["settings"] == {"tls.grow_percent": 66}
    with pytest.raises(WorkbenchError, match="cannot be read"):
        again.go_on(str(tmp_path / "none.toml"))


def test_a_study_that_cannot_go_on_is_told(tmp_path: Path) -> None:
    def fails(run: Run, *, warm_bytes: int | None = None) -> Result:
        raise RuntimeError("no such luck")

    tuner = Tuner(tmp_path, LiveSession(), fails)
    begin(tuner)
    wait_until(lambda: not tuner.is_running)
    assert tuner.describe().state == "failed"
    assert tuner.describe().text == "unexpected RuntimeError: no such luck"
    begin(tuner)  # it can be tried again
    wait_until(lambda: not tuner.is_running)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": "speed"}, "objective: 'speed' is none of throughput, peak memory, both"),
        ({"tunables": [], "group": "Nothing"}, "search: 'Nothing' is none of TLS cache"),
        ({"tunables": ["tls.grow"]}, "did you mean 'tls.grow_percent'"),
        ({"trials": "0"}, "trials: 0 is out of range"),
        ({"trials": "many"}, "trials: 'many' is not a number"),
        ({"seconds": "0"}, "seconds: a run of a study has an end"),
        ({"seconds": "-1"}, "seconds: -1 is out of range"),
        ({"spec": SPEC | {"workload": "phrases"}}, "did you mean 'phases'"),
        ({"spec": SPEC | {"threads": "0"}}, "threads: 0 is out of range"),
        ({"spec": SPEC | {"workload": "replay", "trace": "no such one"}}, "unknown dataset"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(
    tuner: Tuner, tmp_path: Path, changes: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(WorkbenchError) as caught:
        begin(tuner, **changes)
    assert said in str(caught.value)
    assert not tuner.is_running
    assert list(tmp_path.rglob("*.toml")) == []


def test_a_dataset_is_tuned_by_its_name(tuner: Tuner) -> None:
    path = begin(tuner, spec={"workload": "replay", "trace": "gcc_cc1", "parameters": {}}, trials=1)
    wait_until(lambda: not tuner.is_running)
    text = path.read_text()
    assert 'trace = "gcc_cc1"' in text
    assert "loops = 0" in text
    assert any("the study has seen it" in line for line in tuner.describe().lines)


def test_the_panel_tunes_beside_a_live_run_and_applies_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    measurer = FakeMeasurer(hidden_optimum)
    # By its module: the room has a function of the same name.
    module = importlib.import_module("workbench.panel.tuning_panel")
    monkeypatch.setattr(module, "Tuner", functools.partial(Tuner, measure=measurer))
    with TuningPanel() as panel:
        panel.apply_best()
        wait_until(lambda: "nothing beats the defaults so far" in panel.error)
        panel.start("phases")
        panel.tune("phases", tunables=["tls.grow_percent"], trials=3)
        wait_until(lambda: panel.tuning["state"] == "done")
        assert panel.requested["tls.grow_percent"] == 80
        panel.apply_best()
        wait_until(lambda: panel.requested["tls.grow_percent"] == 61)
        assert panel.changes[-1].cause == "tuned"
        assert any("tuning: " in line for line in panel.log)
        panel.tune("no such workload", tunables=["tls.grow_percent"])
        wait_until(lambda: "no such workload" in panel.error)
        # Closing it ends a study as well.
        panel.tune("phases", tunables=["tls.grow_percent"], trials=1000)
        wait_until(lambda: panel.tuning["state"] == "running")
    assert "workbench-tuner" not in {thread.name for thread in threading.enumerate()}
