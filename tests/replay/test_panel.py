"""A replay in the panel: asked for, shown, told and ended like any workload."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.replay import programs
from workbench.errors import WorkbenchError
from workbench.panel.actions import Actions
from workbench.panel.protocol import Choice, RunForm
from workbench.panel.session import LiveSession
from workbench.panel.state import StateBook, find_traces
from workbench.sessions import PresetStore
from workbench.sessions.recorder import WHERE_CHART


@pytest.fixture
def session() -> Iterator[LiveSession]:
    made = LiveSession()
    yield made
    made.close()


def ask(trace: object, **fields: Any) -> RunForm:
    """What the form sends: it has values in fields that a replay does not show, too."""
    form = {"workload": "replay", "allocator": "hakmem", "threads": "7", "seed": "1", "seconds": "0"}
    return cast(RunForm, {**form, "trace": str(trace), "parameters": {"loops": "0"}, **fields})


def step_until(session: LiveSession, is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_done():
        assert time.monotonic() < deadline, session.write_status()
        session.step()
        time.sleep(0.01)


def test_a_replay_runs_until_stop_and_has_charts(session: LiveSession, pipeline: Path) -> None:
    session.start(ask(pipeline))
    assert session.shown_spec is not None
    assert (session.shown_spec["trace"], session.shown_spec["threads"]) == (str(pipeline), "3")
    session.step()
    charts = session.charts
    titles = [chart.title for chart in charts]
    assert titles[:2] == ["Throughput", "Memory"]
    assert "Replayed program" in titles
    assert charts[titles.index("Trace time")].unit == "s"
    step_until(session, lambda: "ops/s" in session.write_status())
    kept = [chart for chart in session.charts if chart.title != WHERE_CHART]  # which comes with the memory
    assert kept == [chart for chart in charts if chart.title != WHERE_CHART]  # rates move no chart
    assert session.progress() is None
    assert session.write_status().startswith("running replay of pipeline under hakmem")
    session.stop()
    step_until(session, lambda: session.state == "ended")
    assert session.write_status().startswith("replay of pipeline under hakmem stopped after")


def test_a_replay_with_loops_ends_and_shows_how_far_it_is(session: LiveSession, pipeline: Path) -> None:
    session.start(ask(pipeline, parameters={"loops": "30"}))
    assert session.progress() is not None
    step_until(session, lambda: session.state == "ended")
    assert session.progress() == 1.0
    assert "completed after" in session.write_status()


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"trace": ""}, "trace: choose a dataset"),
        ({"trace": "/nowhere.haktrace"}, "/nowhere.haktrace: no such file"),
        ({"allocator": "hakmem in this kernel"}, "use a worker"),
        ({"parameters": {"touch": "9"}}, "touch"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    session: LiveSession, mixed: Path, fields: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(WorkbenchError, match=complaint):
        session.start(ask(fields.pop("trace", mixed), **fields))
    assert session.state == "idle"


def test_rates_of_different_traces_are_not_compared(
    session: LiveSession, mixed: Path, pipeline: Path
) -> None:
    session.start(ask(mixed, seconds="0.3"))
    step_until(session, lambda: session.state == "ended")
    session.pin()
    session.start(ask(pipeline))
    step_until(session, lambda: "ops/s" in session.write_status())
    assert "against the pinned run" not in session.write_status()


def test_traces_of_the_folder_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    programs.write(tmp_path / "mine.haktrace", programs.mixed(10, seed=1))
    assert Choice("mine.haktrace", "in this folder") in find_traces()


def test_the_form_knows_that_a_replay_needs_a_trace(session: LiveSession, tmp_path: Path) -> None:
    actions = Actions(session, PresetStore(tmp_path / "presets.json"))
    parts = StateBook(session, actions).take_changes()
    needs = {entry["name"]: entry["needs_trace"] for entry in parts["workloads"]}
    assert [name for name, is_needed in needs.items() if is_needed] == ["replay"]
    assert isinstance(parts["traces"], list)
