"""Values of tunables: read, checked, written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.control.made_up import POND_TUNABLES
from workbench.control import Tunable, Value
from workbench.errors import BadParameter, OutOfRange, WorkbenchError

POND = {tunable.name: tunable for tunable in POND_TUNABLES}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("pond.depth", "10", 10),
        ("pond.depth", " 10 m ", 10),
        ("pond.volume", "512KiB", 512 * 1024),
        ("pond.frozen", "on", True),
        ("pond.frozen", "False", False),
        ("pond.frozen", "0", False),
        ("fish.share", "0.5", 0.5),
        ("fish.colour", "Green", "green"),
    ],
)
def test_text_becomes_a_value_of_the_right_type(name: str, text: str, value: Value) -> None:
    parsed = POND[name].parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("pond.depth", 99, OutOfRange, "pond.depth = 99 is out of range: 1 to 40 m"),
        ("pond.depth", "2.5", OutOfRange, "pond.depth = 2.5 is not a whole number: 1 to 40 m"),
        ("pond.depth", math.nan, OutOfRange, "pond.depth = nan is out of range: 1 to 40 m"),
        ("pond.depth", 10**400, OutOfRange, "pond.depth = inf is out of range: 1 to 40 m"),
        ("pond.depth", "deep", BadParameter, "pond.depth: 'deep' is not a number; give 1 to 40 m"),
        ("pond.depth", "3 KiB", BadParameter, "pond.depth: '3 KiB' is not in m; give 1 to 40 m"),
        ("pond.volume", "2 TiB", OutOfRange, "is out of range: 0 bytes to 1 TiB"),
        ("pond.frozen", "maybe", BadParameter, "pond.frozen = 'maybe' is neither on nor off"),
        (
            "fish.colour",
            "gren",
            OutOfRange,
            "fish.colour = gren is none of blue, green, brown: did you mean 'green'?",
        ),
        ("fish.colour", "yolk", OutOfRange, "fish.colour = yolk is none of blue, green, brown"),
        ("fish.colour", 1, BadParameter, "fish.colour = 1 is not a name; give one of blue, green, brown"),
    ],
)
def test_what_is_wrong_is_said(name: str, value: Value, error: type[WorkbenchError], message: str) -> None:
    with pytest.raises(error) as caught:
        POND[name].to_word(value)
    assert message in str(caught.value)


@st.composite
def tunables_with_words(draw: st.DrawFn) -> tuple[Tunable, float]:
    kind = draw(st.sampled_from(("int", "real", "bool", "choice")))
    unit = draw(st.sampled_from(("", "bytes", "ms", "%", "slots")))
    if kind == "choice":
        choices = tuple(f"choice{number}" for number in range(draw(st.integers(1, 5))))
        word = float(draw(st.integers(0, len(choices) - 1)))
        return Tunable("a.b", type="choice", choices=choices, maximum=len(choices) - 1.0), word
    if kind == "bool":
        return Tunable("a.b", type="bool"), float(draw(st.booleans()))
    if kind == "int":
        low, word, high = sorted(draw(st.lists(st.integers(-(2**53), 2**53), min_size=3, max_size=3)))
        return Tunable("a.b", unit=unit, type="int", minimum=low, maximum=high), float(word)
    numbers = st.floats(allow_nan=False, allow_infinity=False)
    least, real, most = sorted(draw(st.lists(numbers, min_size=3, max_size=3)))
    return Tunable("a.b", unit=unit, type="real", minimum=least, maximum=most), real


@given(tunables_with_words())
def test_every_value_survives_words_and_text(pair: tuple[Tunable, float]) -> None:
    tunable, word = pair
    value = tunable.from_word(word)
    assert tunable.to_word(value) == word
    assert tunable.parse(tunable.format(value)) == value


@given(tunables_with_words(), st.floats() | st.integers() | st.text() | st.booleans())
def test_a_word_is_always_in_range(pair: tuple[Tunable, float], value: Value) -> None:
    tunable, _ = pair
    try:
        word = tunable.to_word(value)
    except WorkbenchError as error:
        assert str(error).startswith("a.b")
    else:
        assert tunable.minimum <= word <= tunable.maximum
        assert tunable.type == "real" or word == math.floor(word)
