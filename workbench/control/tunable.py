"""Tunables: what may be set, within which range, and how values are written and read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from workbench.errors import BadParameter, OutOfRange, suggest_nearest
from workbench.units import format_number, format_quantity, parse_quantity

#: An int for "int", a float for "real", a bool for "bool", the name of the choice for "choice".
Value = int | float | str | bool

TunableType = Literal["int", "bool", "real", "choice"]
Scale = Literal["linear", "log"]
Effect = Literal["live", "new threads", "start", "new arenas", "new mappings"]

#: Stands for the value of an action among values of tunables: it is to be done once.
DO = "do"

_ON = ("on", "true", "yes", "1")
_OFF = ("off", "false", "no", "0")


@dataclass(frozen=True)
class Tunable:
    """One thing that can be set, as its control block describes it.

    Attributes
    ----------
    name, group : str
        Such as "tls.grow_percent"; and its component, the heading it stands under.
    unit, help : str
        Unit of the value, empty for plain numbers; and one line of text.
    type : {"int", "bool", "real", "choice"}
    choices : tuple of str
        For type "choice"; the block stores the index.
    scale : {"linear", "log"}
        How a slider is divided.
    effect : {"live", "new threads", "start", "new arenas", "new mappings"}
        When, or for what, a changed value takes effect; one of "start" cannot be set in a running process.
    minimum, maximum : float
        Range of the value, or of the index of the choice, both included.
    default : Value
        What it is unless set.
    environment : str
        Variable that sets it at start: "NAME"; or, where several share one, its name, what separates its
        items, and the start of this item, such as "MALLOC_CONF,narenas:". A boolean may end with its two
        words, "MALLOC_CONF,tcache:false|true".
    is_write_only : bool
        The process cannot read it: the effective value is what was set last.
    """

    name: str
    group: str = ""
    unit: str = ""
    help: str = ""
    type: TunableType = "int"
    choices: tuple[str, ...] = ()
    scale: Scale = "linear"
    effect: Effect = "live"
    minimum: float = 0.0
    maximum: float = 1.0
    default: Value = 0
    environment: str = ""
    is_write_only: bool = False

    def parse(self, text: str) -> Value:
        """Read a value as a person types it: "60", "60 %", "512KiB", "on", "lfu".

        BadParameter if the text is no such value; OutOfRange if the value is out of range, or no choice.
        """
        stripped = text.strip()
        if self.type == "choice":
            return self.from_word(self._choice_word(stripped))
        if self.type == "bool":
            lower = stripped.lower()
            if lower in _ON or lower in _OFF:
                return lower in _ON
            raise BadParameter(f"{self.name} = '{text}' is neither on nor off")
        try:
            number = parse_quantity(stripped, self.unit)
        except ValueError as error:
            raise BadParameter(f"{self.name}: {error}; give {self.describe_range()}") from None
        return self.from_word(self._check_number(number))

    def format(self, value: Value) -> str:
        """Write a value with its unit, exactly: `parse` gives it back."""
        if self.type == "choice":
            return str(value)
        if self.type == "bool":
            return "on" if value else "off"
        return format_quantity(float(value), self.unit)

    def format_bare(self, value: Value) -> str:
        """Write a value without the unit, where that stands beside it."""
        return self.format(value).removesuffix(self.unit).rstrip()

    def describe_range(self) -> str:
        """Write the range: "50 to 99 %", "lru, lfu" or "off, on"."""
        if self.type == "choice":
            return ", ".join(self.choices)
        if self.type == "bool":
            return "off, on"
        if self.unit == "bytes":
            return f"{format_quantity(self.minimum, self.unit)} to {format_quantity(self.maximum, self.unit)}"
        return f"{format_number(self.minimum)} to {format_number(self.maximum)} {self.unit}".rstrip()

    def to_word(self, value: Value) -> float:
        """Turn a value into the number that the block stores; a str is read as by `parse`.

        BadParameter if the value is of the wrong type; OutOfRange if it is out of range, or no choice.
        """
        if isinstance(value, str):
            if self.type == "choice":
                return self._choice_word(value)
            return float(self.parse(value))
        if self.type == "choice":
            raise BadParameter(f"{self.name} = {value} is not a name; give one of {self.describe_range()}")
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise BadParameter(f"{self.name} = {value!r} is not a number") from None
        except OverflowError:
            number = math.inf
        return self._check_number(number)

    def from_word(self, word: float) -> Value:
        """Turn a number that the block stores into a value."""
        if self.type == "choice":
            index = min(max(round(word), 0), len(self.choices) - 1)
            return self.choices[index]
        if self.type == "bool":
            return word != 0
        return float(word) if self.type == "real" else round(word)

    def _choice_word(self, name: str) -> float:
        lowered = [choice.lower() for choice in self.choices]
        if name.lower() not in lowered:
            nearest = suggest_nearest(name, self.choices)
            raise OutOfRange(
                f"{self.name} = {name} is none of {self.describe_range()}" + (nearest and f": {nearest}")
            )
        return float(lowered.index(name.lower()))

    def _check_number(self, number: float) -> float:
        given = format_number(number)
        if not self.minimum <= number <= self.maximum:  # false for NaN, too
            raise OutOfRange(f"{self.name} = {given} is out of range: {self.describe_range()}")
        if self.type != "real" and number != math.floor(number):
            raise OutOfRange(f"{self.name} = {given} is not a whole number: {self.describe_range()}")
        return number


@dataclass(frozen=True)
class Action:
    """Something that a process does when it is asked to, such as giving memory back ("trim")."""

    name: str
    group: str = ""
    help: str = ""

    def to_word(self, value: Value) -> float:
        """The number that asks for it, if the value is DO; else BadParameter."""
        if value != DO:
            raise BadParameter(
                f"{self.name} = {value}: it is an action, which is asked for by {self.name}={DO}"
            )
        return 1.0


@dataclass(frozen=True)
class Constraint:
    """Two tunables that must stand in order: lower <= upper, or lower < upper if strict."""

    lower: str
    upper: str
    is_strict: bool = False

    def __str__(self) -> str:
        return f"{self.lower} {'<' if self.is_strict else '<='} {self.upper}"
