"""How start settings are written into an environment, as the descriptors of tunables say.

A descriptor has the name of a variable, "HEAP_SLOTS"; or of one that several tunables share, with what
separates them and what stands before a value, "HEAP_CONF,slots:".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from workbench.control import Tunable, Value
from workbench.errors import BadParameter

_PLACE = re.compile(r"(?P<name>\w+)(?:(?P<separator>\W)(?P<key>.*))?")


@dataclass(frozen=True)
class StartPlace:
    """Where an environment says what a tunable is at start.

    Attributes
    ----------
    name : str
        Variable.
    separator : str
        What stands between tunables that share it; empty if the variable is this one's alone.
    key : str
        What stands before the value.
    """

    name: str
    separator: str = ""
    key: str = ""


def find_place(tunable: Tunable) -> StartPlace:
    """Read a descriptor.

    Raises
    ------
    BadParameter
        If the tunable cannot be set at start.
    """
    match = _PLACE.fullmatch(tunable.environment)
    if match is None:
        raise BadParameter(f"{tunable.name}: it cannot be set at start; leave it out")
    return StartPlace(match["name"], match["separator"] or "", match["key"] or "")


def write_variables(values: Iterable[tuple[Tunable, Value]]) -> dict[str, str]:
    """Environment variables that give tunables values.

    Raises
    ------
    BadParameter
        As `find_place`.
    """
    variables: dict[str, str] = {}
    for tunable, value in values:
        place = find_place(tunable)
        text = place.key + spell(value)
        before = variables.get(place.name)
        variables[place.name] = text if before is None else f"{before}{place.separator}{text}"
    return variables


def read_variable(name: str, text: str, tunables: Mapping[str, Tunable]) -> list[tuple[str, str]]:
    """Read a variable: pairs of what a descriptor says of its place, and the value."""
    shared = [
        place for one in tunables.values() if one.environment and (place := find_place(one)).name == name
    ]
    if not shared or not shared[0].separator:
        return [(name, text)]
    found = []
    for part in text.split(shared[0].separator):
        key = max((place.key for place in shared if part.startswith(place.key)), key=len, default=part)
        found.append((f"{name}{shared[0].separator}{key}", part.removeprefix(key)))
    return found


def spell(value: Value) -> str:
    """Spell a value for a file or a variable: no unit, no exponent (an allocator may read none)."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    return str(value)
