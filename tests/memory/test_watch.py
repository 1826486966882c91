"""Where the memory is, read again and again beside a recording, and drawn as areas on each other."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cli.terminal import wait_until
from workbench.errors import NoProcess
from workbench.memory import MemoryUse, MemoryWatch, Part, measure_memory
from workbench.plots import build_charts
from workbench.plots.figures import draw_history
from workbench.sessions import Recorder

USE = MemoryUse((1,), 300, (Part("in use", 100), Part("metadata", 150)), notes=("one is missing",))


@pytest.fixture
def answers() -> list[MemoryUse]:
    return [USE]


@pytest.fixture
def watch(answers: list[MemoryUse]) -> Iterator[MemoryWatch]:
    """Each answer once; then there is no process any more."""

    def read() -> MemoryUse:
        if not answers:
            raise NoProcess("it has ended")
        return answers.pop()

    watch = MemoryWatch(read)
    yield watch
    watch.close()


def test_the_parts_become_areas_of_one_chart(watch: MemoryWatch) -> None:
    wait_until(lambda: watch.use is not None)
    assert watch.reason == "one is missing"
    recorder = Recorder(None, None, lambda: 300, memory=watch, is_from_start=True)
    sample = recorder.sample()
    assert [sample.values[f"memory {name}"] for name in ("in use", "metadata", "not known to us")] == [
        100,
        150,
        50,
    ]
    recorder.sample()
    charts = build_charts(recorder.columns)
    assert [(chart.title, chart.is_stacked) for chart in charts] == [("Memory", False), ("Where it is", True)]
    figure = draw_history(charts, recorder.history.view())
    assert [trace.name for trace in figure.data if trace.stackgroup] == [
        "in use",
        "metadata",
        "not known to us",
    ]


def test_a_process_that_ended_is_a_gap(watch: MemoryWatch, answers: list[MemoryUse]) -> None:
    wait_until(lambda: watch.reason == "it has ended")
    assert watch.use is None
    assert answers == []
    recorder = Recorder(None, None, lambda: 300, memory=watch, is_from_start=True)
    assert set(recorder.sample().values) == {"resident_bytes"}


def test_this_process_can_be_watched() -> None:
    watch = MemoryWatch(lambda: measure_memory(os.getpid()))
    try:
        wait_until(lambda: watch.use is not None)
    finally:
        watch.close()
