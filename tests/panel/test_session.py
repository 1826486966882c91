"""Runs of the session: started, ended, crashed, exploratory; nothing is left behind."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tests.control.made_up import MadeUpBlock
from tests.panel.conftest import Desk
from workbench.control import ControlBlock
from workbench.errors import WorkbenchError
from workbench.panel.protocol import RunForm
from workbench.panel.session import format_rate
from workbench.plots import draw_history

LARSON: RunForm = {"workload": "larson", "allocator": "hakmem", "threads": "1", "seed": "1", "seconds": "0"}


def alter(**fields: Any) -> RunForm:
    return cast(RunForm, {**LARSON, **fields})


def step_until(desk: Desk, is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_done():
        assert time.monotonic() < deadline, desk.session.write_status()
        desk.session.step()
        time.sleep(0.01)


def test_a_run_is_recorded_and_ends(desk: Desk) -> None:
    session = desk.session
    session.settings.set_one("tls.grow_percent", 66)
    session.start({**LARSON, "seconds": "0.3"})
    assert session.target is not None
    assert session.target.allocator_block is not None
    assert session.target.allocator_block.requested().values["tls.grow_percent"] == 66
    step_until(desk, lambda: session.state == "ended")
    assert "completed after" in session.write_status()
    titles = [chart.title for chart in session.charts]
    # Its thread may have read nothing of so short a run.
    assert [title for title in titles if title != "Where it is"][:6] == [
        "Throughput",
        "Memory",
        "Caches",
        "TLS cache capacity",
        "BigCache",
        "L2.5 shards",
    ]
    history = session.target.recorder.history.view()
    figure = draw_history(session.charts, history, session.markers(), history, "a run")
    assert len(figure.data) > 20
    assert {annotation.text for annotation in figure.layout.annotations} >= set(titles)


def test_a_crash_is_told_with_signal_and_last_events(desk: Desk) -> None:
    session = desk.session
    session.start(LARSON)
    assert session.target is not None
    pid = session.target.pid
    for _ in range(3):
        session.step()
    os.kill(pid, signal.SIGSEGV)
    step_until(desk, lambda: not session.is_process_alive)
    assert session.state == "crashed"
    assert session.write_status().startswith("larson under hakmem crashed: ")
    assert session.write_status().count("crashed") == 1
    assert "SIGSEGV" in session.error
    assert "last events" in session.error
    session.start({**LARSON, "seconds": "0.1"})
    step_until(desk, lambda: session.state == "ended")


def test_a_program_that_ends_while_attached_is_said_once(
    desk: Desk, pond: MadeUpBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = desk.session
    session.attach(str(pond.path))
    assert session.target is not None
    subject = session.target.subject
    monkeypatch.setattr(ControlBlock, "alive", lambda _: False)
    session.step()
    assert session.write_status() == f"{subject} has ended"
    monkeypatch.undo()
    # What comes next, and does not come about, has nothing of it.
    with pytest.raises(WorkbenchError):
        session.attach(str(pond.path.with_name("none")))
    assert session.write_status().startswith("ready")


def test_close_leaves_no_process(desk: Desk) -> None:
    desk.session.start(LARSON)
    assert desk.session.target is not None
    pid = desk.session.target.pid
    desk.session.close()
    assert not Path(f"/proc/{pid}").exists()


def test_pause_and_resume(desk: Desk) -> None:
    session = desk.session
    session.start(LARSON)
    session.pause()
    assert "paused" in session.write_status()
    session.resume()
    session.stop()
    step_until(desk, lambda: session.state == "ended")
    assert "stopped after" in session.note


def test_a_run_in_the_kernel_is_labelled_exploratory(desk: Desk) -> None:
    session = desk.session
    session.start({**LARSON, "allocator": "hakmem in this kernel", "seconds": "0.2"})
    assert "exploratory" in session.write_status()
    assert session.target is not None
    assert session.target.pid == os.getpid()
    step_until(desk, lambda: session.state == "ended")


def test_a_wrong_request_is_refused_in_one_line(desk: Desk) -> None:
    for wrong in (
        {"workload": "lason"},
        {"threads": "many"},
        {"parameters": {"min_size": "1e99"}},
        {"allocator": "x"},
    ):
        with pytest.raises(WorkbenchError):
            desk.session.start(alter(**wrong))
    assert not desk.session.is_process_alive


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("threads", "1.5", "1 to 256"),
        ("threads", "0", "1 to 256"),
        ("threads", "1e999999999", "1 to 256"),
        ("threads", "", "1 to 256"),
        ("seed", "1.5", "0 to 18446744073709551615"),
        ("seed", "-1", "0 to 18446744073709551615"),
        ("seed", "18446744073709551616", "0 to 18446744073709551615"),
        ("seconds", "-1", "0 (until Stop) to 604800 s"),
        ("seconds", "nan", "0 (until Stop) to 604800 s"),
    ],
)
def test_a_wrong_number_is_refused_with_its_range(desk: Desk, field: str, value: str, allowed: str) -> None:
    with pytest.raises(WorkbenchError) as caught:
        desk.session.start(alter(**{field: value}))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{field}: ")
    assert value in line
    assert allowed in line


def test_a_run_is_shown_by_every_form_to_the_last_digit(desk: Desk) -> None:
    desk.session.start({**LARSON, "seed": 2**64 - 3, "seconds": 2.5, "parameters": {"max_size": 512}})
    desk.step()
    assert desk.session.target is not None
    assert desk.session.target.spec is not None
    assert desk.session.target.spec.seed == 2**64 - 3
    spec = desk.state("run")["spec"]
    assert (spec["workload"], spec["allocator"], spec["threads"]) == ("larson", "hakmem", "1")
    assert (spec["seed"], spec["seconds"]) == ("18446744073709551613", "2.5")
    assert spec["parameters"]["max_size"] == "512"
    assert len(spec["parameters"]) > 1  # the defaults of the others


def test_a_pinned_run_is_compared_with(desk: Desk) -> None:
    session = desk.session
    session.start({**LARSON, "seconds": "0.3"})
    step_until(desk, lambda: session.state == "ended")
    session.pin()
    assert session.pinned is not None
    session.start(LARSON)
    step_until(desk, lambda: "against the pinned run" in session.write_status())
    session.settings.set_one("tls.grow_percent", 66)
    status = session.write_status()
    rates = r"running larson under hakmem, [\d.]+ [Mk] ops/s \([+−]\d+ % against the pinned run\)"
    change = r"tls.grow_percent 80 → 66 % adopted by [0-3] of [1-3] threads?"
    assert re.fullmatch(rf"{rates}, [\d.]+ MiB resident; {change}", status), status
    # Not with other work, whatever it is called.
    for other in ({"workload": "phases"}, {"parameters": {"max_size": "512"}}):
        session.stop()
        step_until(desk, lambda: not session.is_process_alive)
        session.start(alter(**other))
        step_until(desk, lambda: "ops/s" in session.write_status())
        assert "against" not in session.write_status()


def test_rates_are_short() -> None:
    assert [format_rate(rate) for rate in (12, 870e3, 2.5e9)] == ["12", "870 k", "2.5 G"]


def test_what_is_told_by_class_has_a_chart_of_its_own(own: ControlBlock) -> None:
    # Nine lines can be read; eighteen, in the same colours twice, cannot.
    charts = [metric.chart for metric in own.metrics.values() if metric.chart and "class" in metric.axes]
    assert charts
    assert len(charts) == len(set(charts))
