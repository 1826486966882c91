"""Messages: what a view may send, and the declarations that its JavaScript is checked against."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.front_types import write_declarations
from tests.panel.conftest import Desk
from workbench.errors import BadParameter
from workbench.panel import protocol
from workbench.panel.requests import RequestTable, request


def test_a_request_is_read_as_a_call() -> None:
    desk = Requests()
    RequestTable(desk).read({"type": "keep", "name": "mine", "view": "a"})[0]()
    # A number that is typed stays as it was typed: a view's numbers have 53 bits only.
    form = {"workload": "larson", "seed": "18446744073709551615"}
    RequestTable(desk).read({"type": "begin", "spec": form})[0]()
    assert desk.calls == [("mine", "a", 1), form]


class Requests:
    def __init__(self) -> None:
        self.calls: list[object] = []

    @request()
    def keep(self, view: str, name: str, count: int = 1) -> None:
        self.calls.append((name, view, count))

    @request("begin")
    def start(self, spec: protocol.RunForm) -> None:
        self.calls.append(spec)

    def close(self) -> None:
        raise AssertionError("no page may ask for this")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"type": "close"}, "message 'close' of its page: Invalid value 'close'"),
        ({"type": "no such thing"}, "message 'no such thing' of its page: Invalid value 'no such thing'"),
        ({}, "message None of its page: Object missing required field `type`"),
        (
            {"type": "ack", "frame": "one"},
            "message 'ack' of its page: Expected `int`, got `str` - at `$.frame`",
        ),
        ({"type": "reset"}, "Object missing required field `name`"),
        ({"type": "reset", "name": "a", "busy": 1}, "Object contains unknown field `busy`"),
        ({"type": "start", "spec": {}}, "Object missing required field `workload` - at `$.spec`"),
        ({"type": "set", "name": "a", "value": [1]}, "got `array` - at `$.value`"),
    ],
)
def test_a_message_that_does_not_fit_is_refused_in_one_line(
    desk: Desk, content: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadParameter) as caught:
        RequestTable(desk.pump, desk.session, desk.session.settings).read(content)
    (line,) = str(caught.value).splitlines()
    assert told in line
    assert line.endswith("load the page again")


def test_a_panel_shows_what_it_could_not_read_and_goes_on(desk: Desk) -> None:
    desk.ask("set", name="tls.grow_percent")
    desk.step(0.3)
    assert "field `value`" in desk.state("error")
    desk.ask("set", name="tls.grow_percent", value="70 %")
    desk.ask("undo")
    desk.step(0.3)
    assert desk.state("error") == ""
    assert [change.cause for change in desk.session.settings.changes.entries()] == ["you", "undo"]


def test_the_state_has_all_parts(desk: Desk) -> None:
    desk.ask("hello")
    desk.step(0.3)
    told = next(content for content, _ in desk.messages if content["type"] == "state")
    declared = protocol.StateParts.__annotations__.keys()
    assert declared - told.keys() == {"tuning", "experiment"}  # this panel has neither
    assert told.keys() - declared == {"type", "number", "log_restart"}


def test_declarations_say_what_may_be_missing() -> None:
    text = write_declarations()
    assert 'export interface Export {\n  type: "export";\n  format: string;\n  path: string;\n' in text
    assert "  gesture?: string;\n" in text  # has a default
    assert "  log_restart?: boolean;\n" in text  # is left out of most
    assert "  total_s: number;\n" in text
    assert "  progress: number | null;\n" in text
    assert '  effect: "live" | "new arenas" | "new mappings" | "new threads" | "start";\n' in text
    assert "export type FromKernel = State | Frame | Baseline | Plotly | Who;\n" in text
