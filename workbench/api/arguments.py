"""What the functions of `import workbench as wb` are given, held against their annotations in one place.

A notebook checks no types. So a wrong one is told in one line, with the parameter, before anything runs.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from workbench.errors import BadParameter
from workbench.plain_values import show

Function = TypeVar("Function", bound=Callable[..., Any])

_TARGET = "int | str | Group"
# A part of an annotation, in words; others are the names of classes.
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "None": "None",
    "os.PathLike[str]": "a path",
}
# What is looked at where it is used.
_ANYTHING = ("bool", "Value", "Axis", "Better", "Iterable")


def checks_arguments(function: Function) -> Function:
    """Make a function refuse arguments of a wrong type; a text where a list belongs is a list of one.

    BadParameter names the parameter, the value and what is wanted.
    """
    signature, wanted = inspect.signature(function), inspect.get_annotations(function)

    @functools.wraps(function)
    def call(*positional: Any, **named: Any) -> Any:
        given = signature.bind(*positional, **named)
        for name, value in given.arguments.items():
            given.arguments[name] = _check(name, value, wanted[name])
        return function(*given.args, **given.kwargs)

    return cast(Function, call)


def _check(name: str, value: Any, wanted: str) -> Any:
    """What is handed on for a value; BadParameter if it is of none of the types."""
    parts = _split(wanted)
    if wanted == _TARGET:
        if (isinstance(value, str) and ":" not in value) or not any(_fits(value, part) for part in parts):
            example = value if isinstance(value, str) and re.fullmatch(r"[a-z][\w-]*", value) else "postgres"
            raise BadParameter(
                f"{name}: {show(value)} is neither a pid nor a group such as 'command:{example}'"
            )
        return value
    if any(_fits(value, part) for part in parts):
        return value
    lists = [part for part in parts if part.startswith("Sequence[")]
    for part in lists:
        items = [value] if isinstance(value, str) else value
        if isinstance(items, Iterable) and not isinstance(items, Mapping | bytes):
            kept = list(items)
            item_parts = _split(part.removeprefix("Sequence[").removesuffix("]"))
            for number, item in enumerate(kept):
                if not any(_fits(item, one) for one in item_parts):
                    raise BadParameter(f"{name}[{number}]: {show(item)} is not {_describe(item_parts)}")
            return kept if isinstance(value, str) or not isinstance(value, list | tuple) else value
    raise BadParameter(f"{name}: {show(value)} is not {_describe(parts)}")


def _fits(value: object, part: str) -> bool:
    """Whether a value is of one type; a sequence is looked at by its items."""
    bare = part.partition("[")[0]
    if bare in _ANYTHING:
        return True
    if part == "None":
        return value is None
    if part in ("int", "float"):
        kind = numbers.Integral if part == "int" else numbers.Real
        return isinstance(value, kind) and not isinstance(value, bool)
    if bare == "Mapping":
        return isinstance(value, Mapping)
    if bare == "os.PathLike":
        return isinstance(value, os.PathLike)
    return bare != "Sequence" and any(one.__name__ == bare for one in type(value).__mro__)


def _describe(parts: Iterable[str]) -> str:
    """Types in words: "a whole number or None"."""
    told = []
    for part in parts:
        bare = part.partition("[")[0]
        lists = {"Sequence": "a list", "Mapping": "a mapping such as {'NAME': VALUE}"}
        told.append(lists.get(bare) or _WORDS.get(part) or f"a {bare}")
    return " or ".join(told)


def _split(wanted: str) -> list[str]:
    """The parts of an annotation, where no bracket is open."""
    parts, depth = [""], 0
    for letter in wanted:
        depth += (letter == "[") - (letter == "]")
        if letter == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]
