"""A panel's pump without a browser: views are a list of messages, time is counted by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.control.made_up import MadeUpBlock, make_block
from workbench.control import ControlBlock
from workbench.panel.actions import Actions
from workbench.panel.protocol import Baseline, Frame, FromKernel, Plotly, State, Who
from workbench.panel.pump import Pump
from workbench.panel.session import LiveSession
from workbench.panel.state import StateBook
from workbench.sessions import PresetStore

CAP_S = 180
MESSAGES: Mapping[str, Any] = {
    "state": State,
    "frame": Frame,
    "baseline": Baseline,
    "plotly": Plotly,
    "who": Who,
}


class Desk:
    """A session, its pump, and what views were sent."""

    def __init__(self, folder: Path) -> None:
        self.messages: list[tuple[dict[str, Any], bytes]] = []
        self.session = LiveSession()
        actions = Actions(self.session, PresetStore(folder / "presets.json"))
        self.pump = Pump(self.session, self.push, StateBook(self.session, actions), actions)
        self.now_s = 0.0

    def push(self, content: FromKernel, buffer: bytes) -> None:
        """What the widget does for a real panel; every message is as it is declared."""
        plain = msgspec.to_builtins(content)
        read = msgspec.convert(plain, MESSAGES[content["type"]])
        assert read.keys() == plain.keys()
        self.messages.append((plain, buffer))

    def step(self, seconds: float = 0.1) -> None:
        """Lets time pass at once."""
        self.now_s += seconds
        self.pump.step(self.now_s)

    def ask(self, kind: str, **content: Any) -> None:
        """A message of the view named 'a', unless another is named."""
        self.pump.receive({"type": kind, "view": "a", **content})

    def frames(self) -> list[dict[str, Any]]:
        """Frames sent so far."""
        return [content for content, _ in self.messages if content["type"] == "frame"]

    def state(self, part: str) -> Any:
        """What the views know of a part of the state."""
        known = [
            content[part] for content, _ in self.messages if content["type"] == "state" and part in content
        ]
        return known[-1]

    def answer(self) -> None:
        """The view has drawn everything it was sent."""
        for frame in self.frames()[-2:]:
            self.ask("ack", frame=frame["number"])


def read_chart(frame: Mapping[str, Any], buffer: bytes, title: str) -> dict[str, Any]:
    """Times and lines of one chart of a frame."""
    part = next(part for part in frame["charts"] if part["title"] == title)
    numbers = np.frombuffer(buffer, "<f8")[part["offset"] :]
    rows = part["rows"]
    lines = {key: numbers[(index + 1) * rows : (index + 2) * rows] for index, key in enumerate(part["keys"])}
    return {"time_s": numbers[:rows], **lines}


def step_until(session: LiveSession, is_done: Callable[[], bool]) -> None:
    """Samples until something holds."""
    deadline = time.monotonic() + CAP_S
    while not is_done():
        assert time.monotonic() < deadline, session.write_status()
        session.step()
        time.sleep(0.01)


@pytest.fixture
def own() -> Iterator[ControlBlock]:
    """The allocator in this process: descriptors for what is not started yet."""
    with ControlBlock.own() as block:
        yield block


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A session that has started nothing."""
    made = Desk(tmp_path)
    yield made
    made.session.close()


@pytest.fixture
def pond() -> Iterator[MadeUpBlock]:
    """A block of something that is no allocator."""
    with make_block() as made:
        made.write("thread.id", [5, 6, 0, 0, 0, 0, 0, 0])
        yield made
