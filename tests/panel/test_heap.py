"""Who holds the memory of what runs: switched on while it runs, drawn, and compared with a pin."""

from __future__ import annotations

import time

from tests.panel.conftest import CAP_S, Desk

INTERVAL = "sample.interval_bytes"


def await_heap(desk: Desk, part: str) -> object:
    """Lets the pump go on until the chart has a part."""
    deadline = time.monotonic() + CAP_S
    while not (found := desk.state("heap")[part]):
        assert time.monotonic() < deadline, desk.state("heap")
        desk.step()
        time.sleep(0.02)
    return found


def test_a_button_takes_samples_and_the_stacks_are_drawn(desk: Desk) -> None:
    desk.ask("hello")
    desk.step()
    assert desk.state("sampling")["values"] == {}  # nothing runs
    desk.ask("start", spec={"workload": "larson", "threads": 1})
    desk.step()
    assert desk.state("sampling") == {"is_on": False, "values": {INTERVAL: 524288}}
    assert f"{INTERVAL}=524288" in str(await_heap(desk, "note"))
    assert desk.state("heap")["icicle"] is None
    desk.ask("set", name=INTERVAL, value=16384)
    await_heap(desk, "icicle")
    assert desk.state("sampling") == {"is_on": True, "values": {INTERVAL: 0}}
    desk.ask("pin")
    assert str(await_heap(desk, "growth")).startswith("since the pin, ")
    icicle = desk.state("heap")["icicle"]
    assert len(icicle["ids"]) == len(set(icicle["ids"])) <= 300
    assert icicle["bytes"][0] == max(icicle["bytes"]) > 0
    # Each part is in its caller, which has at least as much.
    bytes_ = dict(zip(icicle["ids"], icicle["bytes"], strict=True))
    pairs = zip(icicle["parents"][1:], icicle["bytes"][1:], strict=True)
    assert all(0 < held <= bytes_[parent] * (1 + 1e-9) for parent, held in pairs)
    assert {"lane_thread", "run_lane"} <= set(icicle["labels"])
    # What was seen stays when the process ends; there is nothing left to switch.
    desk.ask("stop")
    while desk.session.is_active:
        desk.step()
    desk.step(1.0)
    assert desk.state("heap")["icicle"] is not None
    assert desk.state("sampling")["values"] == {}
