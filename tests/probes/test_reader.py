"""The reader of probes: a rate of each counter, and a gap with its reason where a probe fails or hangs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

import pytest

from workbench.errors import BadParameter
from workbench.probes import ProbeReader, ProbeValue, probe_from_callable

CAP_S = 60


def await_that(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + CAP_S
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def test_a_counter_has_a_rate_and_one_that_begins_anew_has_a_gap() -> None:
    figures = iter([100.0, 160.0, 5.0])
    given = threading.Semaphore(0)
    now_s = [0.0]

    def count() -> float:
        given.acquire()
        now_s[0] += 2.0
        return next(figures)

    probe = probe_from_callable("requests", count, "requests", kind="counter", period_s=0.01)
    with ProbeReader([probe], clock=lambda: now_s[0]) as reader:
        assert reader.latest()["requests"].reason
        for value, rate in [(100.0, None), (160.0, 30.0), (5.0, None)]:
            given.release()
            shown = await_value(reader, "requests", value)
            assert (shown.rate, shown.reason, shown.shown_unit) == (rate, "", "requests/s")
            assert math.isnan(shown.shown) if rate is None else shown.shown == rate
        given.release()
        await_that(lambda: "StopIteration" in reader.latest()["requests"].reason)


def test_a_probe_that_hangs_delays_nobody_and_says_so() -> None:
    hold = threading.Event()
    now_s = [0.0]
    hanging = probe_from_callable("hanging", lambda: float(hold.wait(CAP_S)), period_s=0.01)
    other = probe_from_callable("other", lambda: 7.0, period_s=0.01)
    with ProbeReader([hanging, other], clock=lambda: now_s[0]) as reader:
        await_that(lambda: reader.latest()["other"].value == 7.0)
        now_s[0] = 30.0
        await_that(lambda: reader.latest()["other"].value == 7.0)
        assert reader.latest()["hanging"].reason == "it has not answered for 30 s"
        hold.set()
        await_that(lambda: reader.latest()["hanging"].value == 1.0)


def await_value(reader: ProbeReader, name: str, value: float) -> ProbeValue:
    await_that(lambda: reader.latest()[name].value == value)
    return reader.latest()[name]


@pytest.mark.parametrize("figure", ["many", None, float("nan"), float("inf")])
def test_what_is_no_number_is_a_reason(figure: object) -> None:
    probe = probe_from_callable("x", lambda: figure, period_s=0.01)  # type: ignore[arg-type, return-value]
    with ProbeReader([probe]) as reader:
        await_that(lambda: "number is wanted" in reader.latest()["x"].reason)


def test_names_differ_and_a_removed_probe_is_gone() -> None:
    probe = probe_from_callable("x", lambda: 1.0)
    with ProbeReader([probe]) as reader:
        with pytest.raises(BadParameter, match="one of that name"):
            reader.add(probe)
        reader.remove("x")
        assert reader.latest() == {}
        reader.add(probe)
        assert list(reader.latest()) == ["x"]
