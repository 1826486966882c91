"""Setting: checked, as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.control.made_up import POND_TUNABLES, MadeUpBlock, make_block
from workbench.control import Constraint, ControlBlock, Tunable, Value
from workbench.errors import (
    BadParameter,
    ConstraintBroken,
    NoProcess,
    OutOfRange,
    ReadOnlyBlock,
    StartOnly,
    UnknownTunable,
    WorkbenchError,
)


def test_defaults_are_requested_and_effective_at_first(block: ControlBlock) -> None:
    defaults = {tunable.name: tunable.default for tunable in POND_TUNABLES}
    assert block.requested().values == defaults
    assert block.effective() == block.requested()


def test_a_set_is_requested_at_once_and_effective_when_adopted(
    pond: MadeUpBlock, block: ControlBlock
) -> None:
    generation = block.set({"pond.depth": 10, "fish.colour": "brown", "pond.volume": "2 MiB"})
    assert block.requested().generation == generation
    assert block.requested().values["pond.depth"] == 10
    assert block.effective().values["pond.depth"] == 4
    assert pond.adopt() == generation
    effective = block.effective()
    assert effective == block.requested()
    assert effective.values["fish.colour"] == "brown"
    assert effective.values["pond.volume"] == 2 * 1024**2


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"pond.depth": 41}, OutOfRange, "pond.depth = 41 is out of range: 1 to 40 m"),
        (
            {"pond.depth": 1},
            ConstraintBroken,
            "pond.depth = 1 breaks pond.lowest (2) <= pond.depth: set both together or choose at least 2",
        ),
        (
            {"pond.lowest": 8},
            ConstraintBroken,
            "pond.lowest = 8 breaks pond.lowest <= pond.depth (4): set both together or choose at most 4",
        ),
        (
            {"pond.lowest": 8, "pond.depth": 7},
            ConstraintBroken,
            "pond.lowest = 8 breaks pond.lowest <= pond.depth (7): raise the second or lower the first",
        ),
        (
            {"pond.shores": 5},
            StartOnly,
            "pond.shores takes effect at start only: start the program with POND_SHORES set to 5",
        ),
        ({"pond.dept": 5}, UnknownTunable, "unknown tunable 'pond.dept': did you mean 'pond.depth'?"),
        ({"pond.depth": "deep"}, BadParameter, "pond.depth: 'deep' is not a number; give 1 to 40 m"),
    ],
)
def test_a_refused_set_changes_nothing(
    block: ControlBlock, values: dict[str, Value], error: type[WorkbenchError], message: str
) -> None:
    before = block.requested()
    with pytest.raises(error) as caught:
        block.set({"fish.age": 9} | values)
    assert str(caught.value) == message
    assert block.requested() == before


def test_who_set_last_is_known_by_pid(block: ControlBlock) -> None:
    assert block.setter(block.requested().generation) is None
    generation = block.set({"pond.depth": 8})
    assert block.setter(generation) == os.getpid()
    block.set({"pond.depth": 9})
    assert block.setter(generation) is None


def test_both_sides_of_a_constraint_can_be_set_together(block: ControlBlock) -> None:
    block.set({"pond.lowest": 20, "pond.depth": 30})
    assert block.requested().values["pond.lowest"] == 20


def test_all_requested_values_can_be_set_again(block: ControlBlock) -> None:
    block.set(block.requested().values)


def test_a_strict_constraint_refuses_equal_values() -> None:
    tunables = [Tunable("grow", maximum=99, default=80), Tunable("shrink", maximum=99, default=20)]
    with (
        make_block(tunables=tunables, constraints=[Constraint("shrink", "grow", True)]) as made,
        made.open() as block,
    ):
        with pytest.raises(ConstraintBroken, match=r"shrink = 80 breaks shrink < grow \(80\).*less than 80"):
            block.set({"shrink": 80})
        with pytest.raises(ConstraintBroken, match=r"grow = 20 breaks shrink \(20\) < grow.*more than 20"):
            block.set({"grow": 20})
        assert str(block.constraints[0]) == "shrink < grow"


def test_check_accepts_what_takes_effect_at_start(block: ControlBlock) -> None:
    block.check({"pond.shores": 8})
    with pytest.raises(ConstraintBroken):
        block.check({"pond.shores": 8, "pond.depth": 1})
    with pytest.raises(OutOfRange):
        block.check({"pond.shores": 9})
    assert block.requested().generation == 1


def test_a_block_for_reading_only_cannot_be_set() -> None:
    with make_block(access="read") as made, made.open() as block:
        assert made.path.stat().st_mode & 0o777 == 0o400
        assert block.info.access == "read"
        assert block.requested().values["pond.depth"] == 4
        with pytest.raises(ReadOnlyBlock, match="HAKMEM_CONTROL=write"):
            block.set({"pond.depth": 5})
        block.check({"pond.depth": 5})


def test_a_process_that_ended_cannot_be_set(pond: MadeUpBlock, block: ControlBlock) -> None:
    pond.retire()
    with pytest.raises(NoProcess, match="has exited"):
        block.set({"pond.depth": 5})
    assert block.requested().values["pond.depth"] == 4


def test_two_readers_set_the_same_block(pond: MadeUpBlock, block: ControlBlock) -> None:
    with pond.open() as other:
        first = block.set({"pond.depth": 10})
        second = other.set({"fish.age": 5})
        assert second == first + 1
        values = block.requested().values
        assert (values["pond.depth"], values["fish.age"]) == (10, 5)


@pytest.fixture(scope="module")
def ordered() -> Iterator[ControlBlock]:
    tunables = [Tunable(name, minimum=0, maximum=20, default=10) for name in ("a", "b", "c")]
    constraints = [Constraint("a", "b"), Constraint("b", "c")]
    with make_block(kind="ordered", tunables=tunables, constraints=constraints) as made, made.open() as block:
        yield block


@given(st.dictionaries(st.sampled_from("abc"), st.integers(-3, 23) | st.floats(), max_size=3))
def test_a_set_does_what_the_rules_say(ordered: ControlBlock, values: dict[str, float]) -> None:
    before = ordered.requested()
    a, b, c = (float(values.get(name, before.values[name])) for name in "abc")
    is_valid = a <= b <= c and all(number.is_integer() and 0 <= number <= 20 for number in (a, b, c))
    try:
        generation = ordered.set(values)
    except WorkbenchError:
        assert not is_valid
        assert ordered.requested() == before
    else:
        assert is_valid
        assert ordered.requested().values == {"a": a, "b": b, "c": c}
        assert ordered.requested().generation == generation == before.generation + 1
