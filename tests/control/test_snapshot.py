"""Snapshots: words, folds, groups, derived values and tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.control.made_up import MadeUpBlock, make_block
from workbench.control import Axis, ControlBlock, Metric
from workbench.errors import UnknownMetric

IDS = [0, 11, 0, 12, 0, 0, 0, 0]
CAUGHT = np.arange(32).reshape(8, 4)


def test_descriptors_come_out_as_they_were_put_in(block: ControlBlock) -> None:
    assert list(block.metrics)[:3] == ["thread.id", "thread.adopted", "fish.caught"]
    assert block.metrics["fish.length"].fold == "max"
    assert block.metrics["fish.length"].is_step
    assert block.metrics["fish.luck"].operands == ("fish.caught", "pond.casts")
    assert block.axes["species"].groups == ("quiet", "quiet", "wild", "wild")
    assert block.tunables["fish.colour"].choices == ("blue", "green", "brown")
    assert block.tunables["pond.shores"].effect == "start"
    assert [str(constraint) for constraint in block.constraints] == ["pond.lowest <= pond.depth"]


def test_values_have_the_shape_of_their_axes(pond: MadeUpBlock, block: ControlBlock) -> None:
    pond.write("fish.caught", CAUGHT)
    pond.write("pond.level", -3)
    snapshot = block.snapshot()
    assert (snapshot.values["fish.caught"] == CAUGHT).all()
    assert snapshot.values["pond.level"].shape == ()
    assert snapshot.fold("pond.level") == -3
    assert "fish.luck" not in snapshot.values
    with pytest.raises(ValueError, match="read-only"):
        snapshot.values["fish.caught"][0] = 1


def test_only_rows_in_use_are_read(pond: MadeUpBlock, block: ControlBlock) -> None:
    pond.write("fish.caught", CAUGHT)
    pond.set_rows("thread", 2)
    assert block.snapshot().values["fish.caught"].shape == (2, 4)
    pond.set_rows("thread", 0)
    snapshot = block.snapshot()
    assert snapshot.values["fish.caught"].shape == (0, 4)
    assert snapshot.fold("fish.caught") == 0
    assert snapshot.fold("fish.length") == 0
    assert snapshot.by_group("fish.length")[1].tolist() == [0, 0]
    assert snapshot.to_frame("thread").empty


def test_threads_fold_away_and_species_into_groups(pond: MadeUpBlock, block: ControlBlock) -> None:
    pond.write("thread.id", IDS)
    pond.write("fish.caught", CAUGHT)
    pond.write("fish.length", CAUGHT)
    pond.write("fish.count", [1, 2, 3, 4])
    snapshot = block.snapshot()
    labels, caught = snapshot.by_group("fish.caught")
    assert labels == ["quiet", "wild"]
    assert caught.tolist() == [CAUGHT[:, :2].sum(), CAUGHT[:, 2:].sum()]
    assert snapshot.by_group("fish.count")[1].tolist() == [3, 7]
    labels, casts = snapshot.by_group("pond.casts")
    assert (labels, casts.tolist()) == ([""], [0])


def test_a_maximum_leaves_out_ended_threads_and_a_sum_does_not(
    pond: MadeUpBlock, block: ControlBlock
) -> None:
    pond.write("thread.id", IDS)
    pond.write("fish.length", CAUGHT)
    pond.write("fish.caught", CAUGHT)
    snapshot = block.snapshot()
    assert snapshot.fold("fish.length") == CAUGHT[3].max()
    assert snapshot.by_group("fish.length")[1].tolist() == [CAUGHT[3, 1], CAUGHT[3, 3]]
    assert snapshot.fold("fish.caught") == CAUGHT.sum()


def test_rates_and_quotients_are_of_what_happened_between(pond: MadeUpBlock, block: ControlBlock) -> None:
    pond.write("fish.count", [10, 0, 0, 0])
    pond.write("pond.casts", 100)
    first = block.snapshot()
    pond.write("fish.caught", [[1, 1, 1, 1]] + [[0] * 4] * 7)
    pond.write("pond.casts", 108)
    second = block.snapshot()
    elapsed_s = second.time_s - first.time_s
    assert elapsed_s > 0
    assert second.value("fish.caught", first) == pytest.approx(4 / elapsed_s)
    assert second.value("fish.caught") == 4
    assert second.value("fish.luck", first) == 0.5
    assert second.value("fish.luck") == 4 / 108
    assert second.value("fish.free", first) == second.value("fish.free") == 6
    assert second.value("pond.level", first) == 0
    assert math.isnan(second.value("fish.luck", second))
    assert math.isnan(second.value("fish.caught", second))


def test_adoption_counts_the_threads_that_live(pond: MadeUpBlock, block: ControlBlock) -> None:
    pond.write("thread.id", IDS)
    assert block.adoption().threads == 2
    generation = block.set({"pond.depth": 9})
    assert (block.adoption().generation, block.adoption().adopted) == (generation, 0)
    pond.write("thread.adopted", [0, generation, 0, generation - 1, 0, 0, 0, 0])
    assert block.adoption().adopted == 1
    pond.adopt()
    assert block.adoption().adopted == 2


def test_a_block_that_tells_of_no_threads_has_no_adoption() -> None:
    with make_block(metrics=[Metric("pond.level")]) as made, made.open() as block:
        assert (block.adoption().threads, block.adoption().adopted) == (0, 0)


def test_tables_carry_units_in_their_columns(pond: MadeUpBlock, block: ControlBlock) -> None:
    pond.write("fish.caught", CAUGHT)
    snapshot = block.snapshot()
    folded = snapshot.to_frame()
    assert folded.columns[0] == "time_s"
    assert folded.loc[0, "fish.caught_fish"] == CAUGHT.sum()
    assert {"pond.level_m", "fish.luck_fish_per_cast", "pond.casts"} <= set(folded.columns)
    table = snapshot.to_frame("thread", "species")
    assert list(table.columns) == ["fish.caught_fish", "fish.length_cm"]
    assert table.index.names == ["thread", "species"]
    assert table.loc[(2, "perch"), "fish.caught_fish"] == CAUGHT[2, 2]
    assert snapshot.to_frame("species").index.tolist() == ["carp", "koi", "perch", "pike"]
    with pytest.raises(UnknownMetric, match="unknown axes 'specie': did you mean 'species'"):
        snapshot.to_frame("specie")


def test_unknown_metrics_are_named(block: ControlBlock) -> None:
    for ask in (block.snapshot().fold, block.snapshot().by_group, block.snapshot().value):
        with pytest.raises(
            UnknownMetric, match=r"unknown metric 'fish\.cought': did you mean 'fish\.caught'"
        ):
            ask("fish.cought")


def test_a_block_of_many_threads_and_classes() -> None:
    axes = [Axis("thread", 1024), Axis("class", 41)]
    metrics = [Metric(f"table.{number}", axes=("thread", "class")) for number in range(11)]
    with make_block(axes=axes, metrics=metrics, event_kinds=[]) as made, made.open() as block:
        expected = {
            metric.name: np.arange(1024 * 41).reshape(1024, 41) * (k + 1) for k, metric in enumerate(metrics)
        }
        for name, words in expected.items():
            made.write(name, words)
        snapshot = block.snapshot()
        for name, words in expected.items():
            assert (snapshot.values[name] == words).all()
            assert snapshot.by_group(name)[1].tolist() == words.sum(axis=0).tolist()
        assert snapshot.by_group("table.0")[0][:2] == ["0", "1"]


def test_a_block_with_nothing_in_it() -> None:
    with (
        make_block(
            tunables=[], constraints=[], metrics=[], axes=[], event_kinds=[], event_capacity=0
        ) as made,
        made.open() as block,
    ):
        assert block.requested().values == {}
        assert block.set({}) == 2
        assert len(block.snapshot().values) == 0
        assert len(block.events()) == 0
        assert block.adoption().threads == 0
