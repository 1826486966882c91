"""Where the memory is, read again and again beside a recording, and drawn as areas on each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.cli.terminal import wait_until
from workbench.errors import NoProcess
from workbench.memory import MemoryUse, Part
from workbench.plots import build_charts
from workbench.plots.figures import draw_history
from workbench.sessions import Recorder
from workbench.watch import Watch

USE = MemoryUse((1,), 300, (Part("in use", 100), Part("metadata", 150)), notes=("one is missing",))


def fail() -> MemoryUse:
    raise NoProcess("it has ended")


@contextmanager
def watching(read: Callable[[], MemoryUse]) -> Iterator[Recorder]:
    """A recording that has the first reading."""
    watch = Watch(read)
    try:
        wait_until(lambda: watch.latest is not None or watch.reason != "")
        assert watch.reason == ("it has ended" if read is fail else "")
        yield Recorder(None, None, lambda: 300, memory=watch, is_from_start=True)
    finally:
        watch.close()


def test_the_parts_become_areas_of_one_chart() -> None:
    names = ["in use", "metadata", "not known to us"]
    with watching(lambda: USE) as recorder:
        sample = recorder.sample()
        assert [sample.values[f"memory {name}"] for name in names] == [100, 150, 50]
        recorder.sample()
        charts = build_charts(recorder.columns)
        assert [(chart.title, chart.is_stacked) for chart in charts] == [
            ("Memory", False),
            ("Where it is", True),
        ]
        figure = draw_history(charts, recorder.history.view())
        assert [trace.name for trace in figure.data if trace.stackgroup] == names


def test_a_process_that_ended_is_a_gap() -> None:
    with watching(fail) as recorder:
        assert set(recorder.sample().values) == {"resident_bytes"}
