"""Plain values of a file to frozen dataclasses, each field checked against its type."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from workbench.errors import DamagedEvidence

_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    type(None): "nothing",
}
_LONGEST_SHOWN = 40


def read_fields(kind: Any, content: object, where: str) -> Any:
    """Make a dataclass of a table.

    Raises
    ------
    DamagedEvidence
        With the field that is missing, unknown or of another type.
    """
    if not isinstance(content, Mapping):
        raise DamagedEvidence(f"{where}: {_show(content)} is not a table")
    hints = typing.get_type_hints(kind)
    for name in content:
        if name not in hints:
            raise DamagedEvidence(f"{where}.{name}: there is no such field")
    for field in dataclasses.fields(kind):
        if field.name not in content and not _may_be_nothing(hints[field.name]):
            raise DamagedEvidence(f"{where}.{field.name}: it is missing")
    return kind(**{name: _read(hint, content.get(name), f"{where}.{name}") for name, hint in hints.items()})


def _may_be_nothing(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)


def _read(hint: Any, value: object, where: str) -> Any:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return read_fields(hint, value, where)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise DamagedEvidence(f"{where}: {_show(value)} is not a table")
        return {str(name): _read(parts[1], item, f"{where}.{name}") for name, item in value.items()}
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise DamagedEvidence(f"{where}: {_show(value)} is not a list")
        return tuple(_read(parts[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    return _read_plain(parts if isinstance(hint, types.UnionType) else (hint,), value, where)


def _read_plain(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    # TOML has no null: there, nothing in a list is NaN.
    if isinstance(value, float) and math.isnan(value) and type(None) in kinds:
        return None
    is_finite = not isinstance(value, float) or math.isfinite(value)
    if type(value) in kinds and is_finite:
        return value
    if type(value) is int and float in kinds:
        return float(value)
    words = " or ".join(_WORDS[kind] for kind in kinds)
    raise DamagedEvidence(f"{where}: {_show(value)} is not {words}")


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
