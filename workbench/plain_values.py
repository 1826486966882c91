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
    for path, value in _list_numbers(content):
        if isinstance(value, int) and abs(value) >= _MOST:
            digits = math.floor(math.log10(abs(value))) + 1
            raise BadParameter(f"{path or what}: a number of {digits} digits cannot be used")
        if not math.isfinite(value):
            raise BadParameter(f"{path or what}: {value} is not a finite number")
    try:
        return msgspec.convert(content, kind, dec_hook=_convert, str_keys=True)
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


def _list_numbers(content: object, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(content, int | float):
        yield path, content
    elif isinstance(content, Mapping):
        for name, item in content.items():
            yield from _list_numbers(item, f"{path}.{name}" if path else str(name))
    elif isinstance(content, list | tuple):
        for index, item in enumerate(content):
            yield from _list_numbers(item, f"{path}[{index}]")


def _explain(message: str, kind: type[Any], content: object, what: str) -> str:
    """What msgspec says, with the value and in the words of these pages."""
    if (wrong := _WRONG_FIELD.fullmatch(message)) is not None:
        is_missing = wrong[1] == "missing required"
        parts = _PART.findall(wrong[3] or "")
        # msgspec does not tell which item of a table it was: it is one with, or without, that field.
        path = next(
            path
            for path, item in _list_places(content, parts)
            if isinstance(item, Mapping) and (wrong[2] in item) != is_missing
        )
        if is_missing:
            return f"{path or what} needs {wrong[2]}"
        for name, _ in filter(lambda part: part[0], parts):
            both = (getattr(kind, f"__struct_{which}fields__", ()) for which in ("encode_", ""))
            names = dict(zip(*both, strict=True))  # a field may have another name in a file
            kind = next(_list_structs(typing.get_type_hints(kind)[names.get(name, name)]))
        known = next(_list_structs(kind)).__struct_encode_fields__
        return describe_unknown(f"field of {path or what}", wrong[2], known)
    if (wrong := _WRONG_TYPE.fullmatch(message)) is None:
        return f"{what}: {message}"
    places = list(_list_places(content, _PART.findall(wrong[3] or "")))
    path, value = next((place for place in places if _name_type(place[1]) == wrong[2]), places[0])
    wanted = wrong[1].removesuffix(" | null").replace("bool | int | float | str", "a value")
    words = " or ".join(_WORDS.get(part, part) for part in wanted.split(" | "))
    return f"{path or what}: {show(value)} is not {words}"


def _list_places(value: Any, parts: list[tuple[str, str]], path: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and values that the parts of msgspec's path may mean."""
    if not parts:
        yield path, value
        return
    field, index = parts[0]
    for name in [field] if field else [int(index)] if index else value:
        if index or name in value:
            yield from _list_places(
                value[name], parts[1:], f"{path}[{name}]" if index else f"{path}.{name}".lstrip(".")
            )


def _name_type(value: object) -> str:
    return _NAMES.get(type(value), type(value).__name__)


def _list_structs(kind: Any) -> Iterator[type[Any]]:
    if hasattr(kind, "__struct_fields__"):
        yield kind
    for part in typing.get_args(kind):
        yield from _list_structs(part)
