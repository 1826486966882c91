"""How start settings are written into an environment, as the descriptors of tunables say.

A descriptor has the name of a variable, "HEAP_SLOTS"; or of one that several tunables share, with what
separates them and what stands before a value, "HEAP_CONF,slots:". A boolean may have words of its own,
"HEAP_CONF,thin:no|yes".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from workbench.control import Tunable, Value
from workbench.errors import BadParameter

_PLACE = re.compile(r"(?P<name>\w+)(?:(?P<separator>\W)(?P<key>.*?))?(?:(?P<off>\w+)\|(?P<on>\w+))?")


@dataclass(frozen=True)
class StartPlace:
    """Where an environment says what a tunable is at start."""

    name: str  # of the variable
    separator: str = ""  # between tunables that share it; empty if the variable is this one's alone
    key: str = ""  # before the value
    words: tuple[str, str] = ("0", "1")  # a boolean, off and on


def find_place(tunable: Tunable) -> StartPlace:
    """Read a descriptor; BadParameter if the tunable cannot be set at start."""
    match = _PLACE.fullmatch(tunable.environment)
    if match is None:
        raise BadParameter(f"{tunable.name}: it cannot be given at start; set it while the program runs")
    words = (match["off"], match["on"]) if match["on"] else ("0", "1")
    return StartPlace(match["name"], match["separator"] or "", match["key"] or "", words)


def write_variables(
    values: Iterable[tuple[Tunable, Value]], base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Environment variables that give tunables values, after what a base says in those that are shared.

    BadParameter as of `find_place`, or if two tunables have one place and different values.
    """
    given: dict[StartPlace, tuple[Tunable, str]] = {}
    for tunable, value in values:
        place = find_place(tunable)
        text = place.key + (place.words[value] if isinstance(value, bool) else spell(value))
        other, before = given.setdefault(place, (tunable, text))
        if before != text:
            raise BadParameter(f"{other.name} and {tunable.name} are one setting at start; give one of them")
    variables: dict[str, str] = {}
    for place, (_, text) in given.items():
        earlier = variables.get(place.name, (base or {}).get(place.name) if place.separator else None)
        variables[place.name] = f"{earlier}{place.separator}{text}" if earlier else text
    return variables


def read_variable(name: str, text: str, tunables: Mapping[str, Tunable]) -> list[tuple[str, str]]:
    """Read a variable: for each item what the descriptor says of its place, and the value."""
    places = {one.environment: find_place(one) for one in tunables.values() if one.environment}
    shared = {said: place for said, place in places.items() if place.name == name and place.separator}
    if not shared:
        return [(name, text)]
    separator = next(iter(shared.values())).separator
    found = []
    for item in text.split(separator):
        fitting = [said for said, place in shared.items() if item.startswith(place.key)]
        said = max(fitting, key=lambda said: len(shared[said].key), default="")
        value = item.removeprefix(shared[said].key) if said else ""
        if said and value in shared[said].words:
            value = str(shared[said].words.index(value))
        found.append((said or f"{name}{separator}{item}", value))
    return found


def spell(value: Value) -> str:
    """Spell a value for a file or a variable: no unit, no exponent (an allocator may read none)."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    return str(value)
