"""Settings of the allocator that has tunables: their one form, checked, and as an environment."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from workbench.control import ControlBlock, Tunable, Value
from workbench.errors import UnknownTunable, describe_unknown

#: The allocator that has tunables.
TUNABLE_ALLOCATOR = "hakmem"


@cache
def _own_block() -> ControlBlock:
    """Open as long as this process lives: it checks values of every run that is planned."""
    return ControlBlock.own()


def known_tunables() -> Mapping[str, Tunable]:
    """Tunables of the allocator of this build, by name."""
    return _own_block().tunables


def normalize_settings(settings: Mapping[str, Value]) -> dict[str, Value]:
    """Check values and give them the form the control block has them in: "60 %" becomes 60.

    Raises
    ------
    UnknownTunable, BadParameter, OutOfRange
        With the name, the value and the range.
    """
    known = known_tunables()
    for name in settings:
        if name not in known:
            raise UnknownTunable(describe_unknown("tunable", name, known))
    return {name: known[name].from_word(known[name].to_word(value)) for name, value in settings.items()}


def complete_settings(settings: Mapping[str, Value]) -> dict[str, Value]:
    """All tunables with these settings, the others at their defaults, whatever they are in this process.

    Raises
    ------
    UnknownTunable, BadParameter, OutOfRange, ConstraintBroken
        As a set of a running block would.
    """
    defaults = {name: tunable.default for name, tunable in known_tunables().items()}
    complete = defaults | normalize_settings(settings)
    _own_block().check(complete)
    return complete


def environment_of(settings: Mapping[str, Value]) -> dict[str, str]:
    """Environment variables that start hakmem with these settings.

    Raises
    ------
    UnknownTunable, BadParameter, OutOfRange, ConstraintBroken
        As a set of a running block would.
    """
    if not settings:
        return {}
    complete, known = complete_settings(settings), known_tunables()
    return {known[name].environment: _write(complete[name]) for name in settings}


def _write(value: Value) -> str:
    """Without a unit, so that it means the same to any reader."""
    return str(int(value)) if isinstance(value, bool) else str(value)
