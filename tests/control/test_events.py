"""Events: in order, whole, and lost ones counted."""

from __future__ import annotations

import pytest

from tests.control.made_up import MadeUpBlock
from workbench.control import ControlBlock
from workbench.errors import UnknownMetric


def test_events_are_read_once_and_in_order(pond: MadeUpBlock, block: ControlBlock) -> None:
    assert len(block.events()) == 0
    pond.append_event("FISH_BORN", 1, 2, item=3, cause="SPRING", thread=77, operation=5, time_s=1.5)
    pond.append_event("RAIN", 0.25, 0.5)
    batch = block.events()
    first, second = batch
    assert (first.kind, first.cause, first.item, first.thread, first.operation) == (
        "FISH_BORN", "SPRING", "pike", 77, 5,
    )  # fmt: skip
    assert (first.time_s, first.old_value, first.new_value) == (1.5, 1, 2)
    assert str(first) == "FISH_BORN species pike 1 → 2 fish (thread 77, spring)"
    assert str(second) == "RAIN 0.25 → 0.5 m (thread 1)"
    assert len(block.events(batch.cursor)) == 0
    pond.append_event("VISIT", 0, 3)
    assert [event.kind for event in block.events(batch.cursor)] == ["VISIT"]


def test_overwritten_events_are_counted_lost(pond: MadeUpBlock, block: ControlBlock) -> None:
    for number in range(1000):
        pond.append_event("VISIT", number, number + 1)
    batch = block.events()
    assert (len(batch), batch.lost, batch.cursor) == (256, 744, 1000)
    assert [event.old_value for event in batch] == list(range(744, 1000))
    for _ in range(10):
        pond.append_event("RAIN")
    later = block.events(batch.cursor)
    assert (len(later), later.lost) == (10, 0)


def test_a_limit_leaves_the_rest_for_the_next_batch(pond: MadeUpBlock, block: ControlBlock) -> None:
    for number in range(100):
        pond.append_event("VISIT", number)
    first = block.events(limit=30)
    second = block.events(first.cursor)
    assert [event.old_value for event in [*first, *second]] == list(range(100))
    assert len(first) == 30


def test_a_cursor_from_beyond_waits_at_the_end(pond: MadeUpBlock, block: ControlBlock) -> None:
    pond.append_event("VISIT")
    assert block.events(99).cursor == 1


def test_kinds_can_be_counted_and_selected(pond: MadeUpBlock, block: ControlBlock) -> None:
    for kind in ("RAIN", "VISIT", "RAIN", "FISH_BORN"):
        pond.append_event(kind)
    batch = block.events()
    assert batch.counts() == {"FISH_BORN": 1, "RAIN": 2, "VISIT": 1}
    assert [event.kind for event in batch.select(is_capacity=True)] == ["RAIN", "RAIN", "FISH_BORN"]
    assert [event.kind for event in batch.select("VISIT")] == ["VISIT"]
    with pytest.raises(UnknownMetric, match="unknown event 'RIAN': did you mean 'RAIN'"):
        batch.select("RIAN")
    assert list(block.event_kinds) == ["FISH_BORN", "RAIN", "VISIT"]


def test_tables_carry_units_in_their_columns(pond: MadeUpBlock, block: ControlBlock) -> None:
    pond.append_event("FISH_BORN", 1, 2, item=0)
    pond.append_event("RAIN", 3, 4)
    table = block.events().to_frame()
    assert list(table.columns) == [
        "time_s", "thread", "operation", "kind", "cause", "item", "old_fish", "new_fish", "old_m", "new_m",
    ]  # fmt: skip
    assert table.loc[0, "new_fish"] == 2
    assert table["new_fish"].isna().tolist() == [False, True]
    assert table.loc[1, "old_m"] == 3
    assert block.events(2).to_frame().empty
