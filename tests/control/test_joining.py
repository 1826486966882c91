"""Snapshots of several processes as one: sums, the highest and the lowest, and counters that never fall."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.control.made_up import MadeUpBlock
from workbench.control import ControlBlock, Snapshot, SnapshotJoiner

FIRST, SECOND = Path("first"), Path("second")


def take(pond: MadeUpBlock, block: ControlBlock, caught: int, length: int, species: int = 4) -> Snapshot:
    """A pond with two threads, one of which has ended and left a longer fish behind."""
    pond.set_rows("species", species)
    pond.write("thread.id", [0, 11, 0, 0, 0, 0, 0, 0])
    pond.write("fish.caught", caught)
    pond.write("pond.casts", 4 * caught)
    pond.write("fish.length", [[99] * 4, [length] * 4] + [[0] * 4] * 6)
    pond.write("pond.level", caught)
    return block.snapshot()


def test_sums_are_summed_and_of_a_maximum_the_highest_counts(pond: MadeUpBlock, block: ControlBlock) -> None:
    joiner = SnapshotJoiner(block.metrics, block.axes)
    joined = joiner.join({FIRST: take(pond, block, 1, 30), SECOND: take(pond, block, 2, 50, species=2)})
    assert joined.fold("pond.level") == 3
    assert joined.fold("fish.length") == 50
    assert joined.fold("fish.caught") == 8 * 4 * 1 + 8 * 2 * 2
    labels, caught = joined.by_group("fish.caught")
    assert (labels, caught.tolist()) == (["quiet", "wild"], [8 * 2 * (1 + 2), 8 * 2 * 1])
    assert joined.value("fish.luck") == joined.fold("fish.caught") / joined.fold("pond.casts")
    (length,) = (one for one in joined.readings() if one.metric.name == "fish.length")
    assert (length.lowest, length.value) == (30, 50)


def test_processes_come_and_go_and_no_counter_falls_or_jumps(pond: MadeUpBlock, block: ControlBlock) -> None:
    joiner = SnapshotJoiner(block.metrics, block.axes)
    first, later = take(pond, block, 10, 30), take(pond, block, 12, 30)
    totals = []
    for parts in ({FIRST: first}, {FIRST: later, SECOND: first}, {SECOND: later}, {}, {SECOND: later}):
        joined = joiner.join(parts)
        totals.append(joined.fold("fish.caught") / 32)
        assert joined.fold("pond.level") == sum(int(one.fold("pond.level")) for one in parts.values())
    # 2 by the first; the second counts from when it was seen; nothing when it is seen again.
    assert totals == pytest.approx([10, 12, 14, 14, 14])
