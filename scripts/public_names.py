"""The public names of the package: those in the `__all__` of each room, with what documents them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType

from sphinx.pycode import ModuleAnalyzer

PACKAGE = "workbench"


@dataclass(frozen=True)
class PublicName:
    """A name of a room's `__all__`.

    Parameters
    ----------
    room : str
        The module that offers it, such as ``workbench.control``.
    name : str
    home : str
        The room that documents it: this one, unless this one only repeats the name of another room.
    kind : {"class", "function", "data", "module"}
    text : str
        Its docstring; of data, the comment that begins with ``#:``. Empty if there is none.
    undocumented : tuple of str
        Public methods and properties without a docstring.
    """

    room: str
    name: str
    home: str
    kind: str
    text: str
    undocumented: tuple[str, ...] = ()


def list_rooms() -> list[ModuleType]:
    """The package and its rooms, as far as they have an `__all__`."""
    package = importlib.import_module(PACKAGE)
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__) if info.ispkg)
    modules = [package, *(importlib.import_module(f"{PACKAGE}.{name}") for name in names)]
    return [module for module in modules if hasattr(module, "__all__")]


def list_public_names(room: ModuleType) -> list[PublicName]:
    """All names of a room's `__all__`, in its order."""
    return [describe(room, name) for name in room.__all__]


def describe(room: ModuleType, name: str) -> PublicName:
    """Look at one name of a room."""
    value = getattr(room, name)
    home = _find_home(room, name)
    if inspect.isclass(value):
        # A docstring that is inherited says nothing about the class.
        text = inspect.cleandoc(vars(value)["__doc__"] or "")
        members = tuple(f"{name}.{member}" for member in _list_undocumented(value))
        return PublicName(room.__name__, name, home, "class", text, members)
    if inspect.isroutine(value) or inspect.ismodule(value):
        kind = "module" if inspect.ismodule(value) else "function"
        return PublicName(room.__name__, name, home, kind, inspect.getdoc(value) or "")
    return PublicName(room.__name__, name, home, "data", _find_comment(room, name))


def _find_home(room: ModuleType, name: str) -> str:
    value = getattr(room, name)
    origin = str(getattr(value, "__module__", ""))
    homes = (
        other.__name__
        for other in list_rooms()
        if other.__name__ != PACKAGE and origin.startswith(f"{other.__name__}.")
        if getattr(other, name, None) is value and name in other.__all__
    )
    return next(homes, room.__name__)


def find_undocumented() -> list[str]:
    """Names of public things without a docstring, each with its room."""
    found = []
    for room in list_rooms():
        for public in list_public_names(room):
            found += [f"{public.room}.{public.name}"] if not public.text else []
            found += [f"{public.room}.{member}" for member in public.undocumented]
    return found


def _list_undocumented(value: type) -> Iterator[str]:
    for member, found in vars(value).items():
        function = getattr(found, "__func__", found)
        is_shown = not member.startswith("_") and isinstance(function, FunctionType | property)
        if is_shown and not inspect.getdoc(function):
            yield member


def _find_comment(room: ModuleType, name: str) -> str:
    """The comment above a constant, in the module of the room that defines it."""
    for info in [None, *pkgutil.iter_modules(room.__path__)]:
        lines = _read_comments(room.__name__ + (f".{info.name}" if info else "")).get(("", name))
        if lines:
            return "\n".join(lines).strip()
    return ""


@cache
def _read_comments(module: str) -> dict[tuple[str, str], list[str]]:
    return ModuleAnalyzer.for_module(module).find_attr_docs()
