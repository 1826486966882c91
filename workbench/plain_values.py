"""Plain values of a file, and typed values: one reader that names what is wrong, and one form for hashes."""

from __future__ import annotations

import json
import math
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from workbench.errors import BadParameter, describe_unknown

Kind = TypeVar("Kind")

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
    "bool | int | float | str": "a value",
    "Path": "a path",
}
_NAMES = {dict: "object", list: "array", tuple: "array", type(None): "null"}
_WRONG_TYPE = re.compile(r"Expected `(.+)`, got `(.+?)`(?: - at `\$(.*)`)?")
_WRONG_FIELD = re.compile(r"Object (contains unknown|missing required) field `(.+?)`(?: - at `\$(.*)`)?")
_PART = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")
_LONGEST_SHOWN = 40
_MOST = 1 << 64  # whole numbers of a file have no end


def read_value(kind: type[Kind], content: object, what: str) -> Kind:
    """Make a typed value, a dataclass or a `msgspec.Struct`, of plain ones.

    Parameters
    ----------
    kind : type
    content : object
        As JSON or TOML has it.
    what : str
        What it is called in an error message, such as "a run".

    Raises
    ------
    BadParameter
        With the field, its value and what is wanted.
    """
    for value in _list_numbers(content):
        if abs(value) >= _MOST:
            digits = math.floor(math.log10(abs(value))) + 1
            raise BadParameter(f"{what}: a number of {digits} digits cannot be used")
    try:
        return msgspec.convert(content, kind, dec_hook=_convert)
    except msgspec.ValidationError as error:
        raise BadParameter(_explain(str(error), kind, content, what)) from None


def show(value: object) -> str:
    """A value in a line of an error message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def canonical_json(value: object) -> str:
    """JSON in one form only: names sorted, no blanks, −0 as 0.

    Raises
    ------
    BadParameter
        For a number that is none.
    """
    try:
        return json.dumps(
            _canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
        )
    except ValueError:
        raise BadParameter("a value is infinite or no number; give a finite one") from None


def _canonical(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else value
    return value


def _convert(kind: type[Any], value: object) -> Any:
    if not isinstance(value, str):
        raise TypeError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")
    return kind(value)


def _list_numbers(content: object) -> Iterator[int]:
    if isinstance(content, int):
        yield content
    elif isinstance(content, Mapping | list):
        for item in content.values() if isinstance(content, Mapping) else content:
            yield from _list_numbers(item)


def _explain(message: str, kind: type[Any], content: object, what: str) -> str:
    """What msgspec says, with the value and in the words of these pages."""
    if (wrong := _WRONG_FIELD.fullmatch(message)) is not None:
        path = (wrong[3] or "").lstrip(".")
        if wrong[1] == "missing required":
            return f"{path or what} needs {wrong[2]}"
        for field, _ in _PART.findall(f".{path}" if path else ""):
            kind = next(_list_structs(typing.get_type_hints(kind)[field])) if field else kind
        return describe_unknown(f"field of {path or what}", wrong[2], kind.__struct_fields__)
    if (wrong := _WRONG_TYPE.fullmatch(message)) is None:
        return f"{what}: {message}"
    path, value = "", content
    for part in _PART.finditer(wrong[3] or ""):
        name: Any = part[1] or (int(part[2]) if part[2] else _find_wrong(value, wrong[2]))
        path += f".{name}" if isinstance(name, str) else f"[{name}]"
        value = typing.cast(Any, value)[name]
    wanted = wrong[1].removesuffix(" | null")
    return f"{path.lstrip('.') or what}: {show(value)} is not {_WORDS.get(wanted, wanted)}"


def _find_wrong(table: object, type_name: str) -> object:
    """Key of the first item of that type: msgspec does not tell which one it was."""
    assert isinstance(table, Mapping)
    return next(
        key for key, item in table.items() if _NAMES.get(type(item), type(item).__name__) == type_name
    )


def _list_structs(kind: Any) -> Iterator[type[Any]]:
    if hasattr(kind, "__struct_fields__"):
        yield kind
    for part in typing.get_args(kind):
        yield from _list_structs(part)
