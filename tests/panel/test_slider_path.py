"""A slider waits for nobody: one call, no lock of the pump's, whatever the pump is doing meanwhile."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.control.made_up import MadeUpBlock
from tests.panel.conftest import Desk
from workbench.bindings.reader import Reader
from workbench.control import ControlBlock
from workbench.errors import NoProcess
from workbench.panel.settings import SettingsDesk
from workbench.panel.target import Target

CAP_S = 180


def do_aside(action: Callable[[], None]) -> None:
    """In a thread of its own, as the kernel runs the messages of views; it must come to its end."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(CAP_S)
    assert not thread.is_alive(), "it waits for the pump"


@contextmanager
def stop_pump_in_its_step(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Holds the pump where it reads the values that a process acts on."""
    has_come, may_go_on = threading.Event(), threading.Event()
    read = ControlBlock.effective

    def wait(block: ControlBlock) -> Any:
        has_come.set()
        assert may_go_on.wait(CAP_S)
        return read(block)

    with monkeypatch.context() as patch:
        patch.setattr(ControlBlock, "effective", wait)
        pump = threading.Thread(target=desk.step, args=(0.3,))
        pump.start()
        try:
            assert has_come.wait(CAP_S)
            yield
        finally:
            may_go_on.set()
            pump.join(CAP_S)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the C functions that this thread calls with a control block."""
    made: list[str] = []
    original = Reader._try
    asker = threading.get_ident()  # slow readings go on beside it

    def note(reader: Reader, function: Any, *arguments: Any) -> tuple[int, Any]:
        if threading.get_ident() == asker:
            made.append(re.findall(r"hak_reader_(\w+)", str(function))[0])
        return original(reader, function, *arguments)

    monkeypatch.setattr(Reader, "_try", note)
    return made


def attach(desk: Desk, pond: MadeUpBlock) -> None:
    desk.session.attach(str(pond.path))
    desk.step(0.3)


def test_a_set_does_not_wait_for_the_pump(
    desk: Desk, pond: MadeUpBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(desk, pond)
    ask = desk.ask
    with stop_pump_in_its_step(desk, monkeypatch), pond.open() as block:
        for depth in (7, 8, 9):
            do_aside(lambda depth=depth: ask("set", name="pond.depth", value=depth, gesture="drag"))  # type: ignore[misc]
            assert block.requested().values["pond.depth"] == depth
        do_aside(lambda: ask("reset", name="pond.depth"))
        assert block.requested().values["pond.depth"] == 4
        do_aside(lambda: ask("set", name="fish.age", value="100 years"))
    desk.step(0.3)
    told = [(change.cause, change.before, change.after) for change in desk.session.settings.changes.entries()]
    assert told == [
        ("you", {"pond.depth": 4}, {"pond.depth": 9}),
        ("you", {"pond.depth": 9}, {"pond.depth": 4}),
    ]
    values = desk.state("values")
    assert "0 to 99 years" in values["fish.age"]["problem"]
    assert [values[name]["answers"] for name in ("pond.depth", "fish.age")] == [4, 1]


def test_a_set_is_one_call(desk: Desk, pond: MadeUpBlock, own: ControlBlock, calls: list[str]) -> None:
    settings = SettingsDesk()
    calls.clear()
    settings.set_one("tls.grow_percent", 70)
    assert calls == ["check"]
    attach(desk, pond)
    calls.clear()
    desk.session.settings.set_one("pond.depth", 9, gesture="drag")
    assert calls == ["set"]
    calls.clear()
    desk.session.settings.set_one("pond.depth", "no number")
    assert calls == []


def test_a_repeatable_run_stands_still_for_the_pump_only(desk: Desk, calls: list[str]) -> None:
    session, settings = desk.session, desk.session.settings
    settings.set_one("clock.mode", "operations")
    session.start({"workload": "larson", "threads": "1"})
    assert session.target is not None
    block = session.target.allocator_block
    assert block is not None
    generation = block.requested().generation
    calls.clear()
    for percent in (70, 71, 72):
        settings.set_one("tls.grow_percent", percent, gesture="drag")
    settings.set_one("tls.max_slots", 1)
    assert calls == ["check"] * 4
    assert block.requested().generation == generation
    session.step()
    steps = settings.changes.entries()[1:]
    assert [(change.after, change.is_exact) for change in steps] == [({"tls.grow_percent": 72}, True)]
    assert steps[0].operations is not None
    assert block.requested().generation == generation + 3
    assert "tls.m" in settings.describe()["tls.max_slots"]["problem"]


def test_two_values_that_do_not_go_together_are_found_by_the_pump(desk: Desk) -> None:
    # Each was in order when it was asked for: the run had neither.
    session, settings = desk.session, desk.session.settings
    settings.set_one("clock.mode", "operations")
    session.start({"workload": "larson", "threads": "1"})
    settings.set_one("tls.initial_slots", 1000)
    settings.set_one("tls.max_slots", 500)
    values = settings.describe()
    assert (values["tls.initial_slots"]["requested"], values["tls.max_slots"]["requested"]) == (1000, 2048)
    assert "tls.initial_slots" in values["tls.max_slots"]["problem"]
    assert settings.staged_changes() == {"clock.mode": "operations", "tls.initial_slots": 1000}


def test_values_set_at_once_from_everywhere_are_all_in_the_log(desk: Desk, pond: MadeUpBlock) -> None:
    attach(desk, pond)
    settings = desk.session.settings
    start = settings.requested()
    is_over = threading.Event()

    def turn(name: str, values: list[Any]) -> None:
        for _ in range(20):
            for value in values:
                settings.set_one(name, value)

    def set_two() -> None:
        for depth in (10, 20) * 10:
            settings.apply({"pond.depth": depth, "fish.share": depth / 10}, "notebook")

    def pump() -> None:
        while not is_over.is_set():
            desk.step(0.1)

    turns: dict[str, list[Any]] = {
        "pond.frozen": [True, False],
        "fish.colour": ["green", "brown"],
        "fish.age": [2, 3, 4],
    }
    workers = [threading.Thread(target=turn, args=pair) for pair in turns.items()]
    workers.append(threading.Thread(target=set_two))
    pumping = threading.Thread(target=pump)
    pumping.start()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(CAP_S)
        assert not worker.is_alive()
    is_over.set()
    pumping.join(CAP_S)
    changes = settings.changes.entries()
    # Nothing is lost, and nothing of it taken for somebody else's.
    assert {change.cause for change in changes} == {"you", "notebook"}
    set_to = [(name, value) for change in changes for name, value in change.after.items()]
    assert {name: set_to.count((name, values[-1])) for name, values in turns.items()} == dict.fromkeys(
        turns, 20
    )
    end = dict(start)
    for change in changes:
        assert {name: end[name] for name in change.before} == change.before
        end.update(change.after)
    assert end == settings.requested()


def test_what_another_sets_between_two_of_ours_is_theirs(desk: Desk, pond: MadeUpBlock) -> None:
    attach(desk, pond)
    settings = desk.session.settings
    with pond.open() as other:
        settings.set_one("pond.depth", 9)
        other.set({"fish.age": 5})
        settings.set_one("pond.depth", 10)
        other.set({"fish.colour": "brown"})
    told = [(change.cause, change.after) for change in settings.changes.entries()]
    assert told == [
        ("you", {"pond.depth": 9}),
        ("you", {"pond.depth": 10}),
        ("another panel", {"fish.age": 5, "fish.colour": "brown"}),
    ]


def test_a_call_that_is_under_way_is_not_taken_for_somebody_elses(
    desk: Desk, pond: MadeUpBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(desk, pond)
    settings = desk.session.settings
    original = ControlBlock.set

    def set_slowly(block: ControlBlock, values: Any) -> int:
        generation = original(block, values)
        desk.step(0.3)  # the pump looks before the call is back
        return generation

    monkeypatch.setattr(ControlBlock, "set", set_slowly)
    settings.set_one("pond.depth", 9)
    assert [(change.cause, change.after) for change in settings.changes.entries()] == [
        ("you", {"pond.depth": 9})
    ]


def test_a_process_that_goes_during_the_call_leaves_the_value_for_the_next(
    own: ControlBlock, pond: MadeUpBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SettingsDesk()
    settings.bind(Target("a run", os.getpid(), own, None, run=object()))  # type: ignore[arg-type]

    def end(block: ControlBlock, values: Any) -> int:
        settings.unbind()
        raise NoProcess("it has ended")

    monkeypatch.setattr(ControlBlock, "set", end)
    settings.set_one("tls.grow_percent", 70)
    assert settings.staged_changes() == {"tls.grow_percent": 70}
    assert [change.after for change in settings.changes.entries()] == [{"tls.grow_percent": 70}]
    assert settings.describe()["tls.grow_percent"]["problem"] == ""
