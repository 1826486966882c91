"""Values: checked, logged once a gesture, undone; start-only ones wait for the next start."""

from __future__ import annotations

import time

from tests.control.made_up import MadeUpBlock
from tests.panel.conftest import Desk
from workbench.allocators import get_row
from workbench.control import ControlBlock
from workbench.panel.controls import describe_controls, slider_stops
from workbench.panel.settings import SettingsDesk
from workbench.sessions import shipped_presets


def test_out_of_range_is_told_at_the_control_with_the_range(own: ControlBlock) -> None:
    settings = SettingsDesk()
    settings.set_one("tls.grow_percent", "120")
    state = settings.describe()["tls.grow_percent"]
    assert "50 to 99 %" in state["problem"]
    assert (state["requested"], state["answers"]) == (80, 1)
    settings.set_one("tls.grow_percent", "61 %")
    state = settings.describe()["tls.grow_percent"]
    assert (state["problem"], state["requested"], state["is_default"]) == ("", 61, False)


def test_every_entry_is_answered_even_if_nothing_changes(own: ControlBlock) -> None:
    # Else "7e1" would stay where 70 is already.
    settings = SettingsDesk()
    for count, text in enumerate(("70", "7e1", "120", "70"), start=1):
        settings.set_one("tls.grow_percent", text)
        state = settings.describe()["tls.grow_percent"]
        assert (state["requested"], state["answers"], bool(state["problem"])) == (70, count, text == "120")
    settings.set_one("tls.grow_percent", "120")
    settings.undo()
    assert settings.describe()["tls.grow_percent"]["problem"] == ""


def test_a_broken_constraint_changes_nothing(own: ControlBlock) -> None:
    settings = SettingsDesk()
    settings.set_one("tls.max_slots", 8)
    assert "tls.m" in settings.describe()["tls.max_slots"]["problem"]
    assert settings.requested()["tls.max_slots"] == 2048
    assert settings.changes.entries() == []


def test_a_drag_is_one_change_and_one_undo(own: ControlBlock) -> None:
    settings = SettingsDesk()
    for value in range(79, 59, -1):
        settings.set_one("tls.grow_percent", value, gesture="drag 1")
    (change,) = settings.changes.entries()
    assert (change.before["tls.grow_percent"], change.after["tls.grow_percent"]) == (80, 60)
    settings.undo()
    assert settings.requested()["tls.grow_percent"] == 80
    settings.redo()
    assert settings.requested()["tls.grow_percent"] == 60
    assert [change.cause for change in settings.changes.entries()] == ["you", "undo", "redo"]


def test_undo_of_a_drag_leaves_what_others_set(desk: Desk, pond: MadeUpBlock) -> None:
    desk.session.attach(str(pond.path))
    settings = desk.session.settings
    for depth in (5, 6, 7):
        settings.set_one("pond.depth", depth, gesture="drag 1")
    (change,) = settings.changes.entries()
    assert change.before == {"pond.depth": 4}
    with pond.open() as other:
        other.set({"fish.age": 9})
    settings.undo()
    values = settings.requested()
    assert (values["pond.depth"], values["fish.age"]) == (4, 9)


def test_every_shipped_preset_can_be_set_and_is_recognised(own: ControlBlock) -> None:
    settings = SettingsDesk()
    presets = shipped_presets(get_row("hakmem"))
    for preset in (*presets[1:], presets[0]):
        assert set(preset.values) <= set(own.tunables)
        settings.apply_preset(preset)
        assert settings.matching_preset(presets) == preset.name
        own.check(settings.requested())
    assert settings.staged_changes() == {}


def test_start_only_waits_for_ours(own: ControlBlock) -> None:
    settings = SettingsDesk()
    settings.set_one("big.initial_buckets", 1024)
    assert settings.staged_changes() == {"big.initial_buckets": 1024}


def test_start_only_of_another_process_is_refused(desk: Desk, pond: MadeUpBlock) -> None:
    desk.session.attach(str(pond.path))
    desk.session.settings.set_one("pond.shores", 2)
    assert "pond.shores" in desk.session.settings.describe()["pond.shores"]["problem"]
    assert desk.session.settings.changes.entries() == []


def test_the_status_line_tells_of_adoption(desk: Desk, pond: MadeUpBlock) -> None:
    desk.session.attach(str(pond.path))
    desk.session.settings.set_one("pond.depth", 6)
    assert "pond.depth 4 → 6 m adopted by 0 of 2 threads" in desk.session.write_status()
    assert desk.session.settings.describe()["pond.depth"]["note"] == "requested 6 m, effective 4 m"
    pond.adopt()
    assert "adopted by 2 of 2 threads" in desk.session.write_status()
    assert desk.session.settings.describe()["pond.depth"]["note"] == "effective 6 m"
    (marker,) = desk.session.markers()
    assert 0 <= marker.time_s <= time.monotonic() - desk.session.target.recorder.start_s  # type: ignore[union-attr]


def test_sliders_stop_at_both_ends_and_the_default(own: ControlBlock) -> None:
    for tunable in own.tunables.values():
        if tunable.type not in ("int", "real"):
            continue
        stops = slider_stops(tunable)
        if stops is None:
            assert (tunable.maximum - tunable.minimum) <= 1000
            continue
        assert stops[0] == tunable.minimum
        assert stops[-1] == tunable.maximum
        assert tunable.default in stops
        assert 10 <= len(stops) <= 400
        assert stops == sorted(set(stops))
    names = [
        control["tunable"].name
        for group in describe_controls(own.tunables.values())
        for control in group["controls"]
    ]
    assert names == list(own.tunables)
