"""The public names of the package: those in the `__all__` of each room, with what documents them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType

from sphinx.pycode import ModuleAnalyzer

PACKAGE = "workbench"
_KINDS: dict[str, Callable[[object], bool]] = {
    "class": inspect.isclass,
    "module": inspect.ismodule,
    "function": inspect.isroutine,
}


@dataclass(frozen=True)
class PublicName:
    """A name of a room's `__all__`; its kind is class, module, function or data.

    Its home is the room that documents it: this one, unless this one only repeats the name of another room.
    Its text is the docstring, or the comment that begins with ``#:``. Public methods and properties without a
    docstring are undocumented.
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
    home = ".".join(str(getattr(value, "__module__", "")).split(".")[:2])
    if name not in getattr(sys.modules.get(home), "__all__", ()):
        home = room.__name__
    kind = next((kind for kind, is_kind in _KINDS.items() if is_kind(value)), "data")
    text = _find_comment(room, name) if kind == "data" else inspect.cleandoc(value.__doc__ or "")
    members = vars(value).items() if kind == "class" else ()
    undocumented = tuple(f"{name}.{member}" for member, found in members if _lacks_text(member, found))
    return PublicName(room.__name__, name, home, kind, text, undocumented)


def find_undocumented() -> Iterator[str]:
    """Names of public things without a docstring, each with its room."""
    for room in list_rooms():
        for public in list_public_names(room):
            for name in (*([] if public.text else [public.name]), *public.undocumented):
                yield f"{public.room}.{name}"


def _lacks_text(member: str, found: object) -> bool:
    function = getattr(found, "__func__", found)
    is_shown = not member.startswith("_") and isinstance(function, FunctionType | property)
    return is_shown and not inspect.getdoc(function)


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
