"""The table of allocators: what must be known of one before it runs. The rest is in its control block."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from workbench.control import Value
from workbench.errors import BadParameter, MissingAllocator, describe_unknown

#: Names a file with further rows, as `table.toml` has them. Programs that are started here inherit it.
TABLE_VARIABLE = "WORKBENCH_ALLOCATORS"
_SHIPPED = Path(__file__).with_name("table.toml")


@dataclass(frozen=True)
class Preset:
    """Values that differ from the defaults; every tunable that is not named goes to its default."""

    name: str
    help: str
    values: Mapping[str, Value]
    is_saved: bool = False


@dataclass(frozen=True, eq=False)  # each row is read once
class Row:
    """A row of the table; `table.toml` explains its fields, and what it has not is empty.

    `file`, `is_built` and `has_agent` are called `library`, `built` and `agent` there.
    """

    name: str
    kind: str = ""
    file: str = ""
    distribution: str = ""
    is_built: bool = False
    has_agent: bool = False
    in_process: str = ""
    package: str = ""
    remedy: str = ""
    variables: tuple[str, ...] = ()
    macros: str = ""
    settings: Mapping[str, Value] = field(default_factory=dict)
    steady: Mapping[str, Value] = field(default_factory=dict)
    upkeep: Mapping[str, Value] = field(default_factory=dict)
    sampling: Mapping[str, Value] = field(default_factory=dict)
    suggestions: Mapping[str, str] = field(default_factory=dict)
    presets: tuple[Preset, ...] = ()

    @property
    def is_tunable(self) -> bool:
        """Whether it has tunables: whether a process under it publishes a control block."""
        return bool(self.kind)

    def is_steady(self, values: Mapping[str, Value]) -> bool:
        """Whether nothing in it depends on time with these values of all its tunables."""
        return bool(self.steady) and all(values.get(name) == value for name, value in self.steady.items())


def rows() -> tuple[Row, ...]:
    """All rows, those that ship first.

    BadParameter if the file that `WORKBENCH_ALLOCATORS` names cannot be read, or holds something else.
    """
    return _read(_SHIPPED) + (_read(Path(own)) if (own := os.environ.get(TABLE_VARIABLE)) else ())


def get_row(name: str) -> Row:
    """Find a row, whether or not the allocator is at hand; MissingAllocator if there is none of that name."""
    found = {row.name: row for row in rows()}
    if name not in found:
        known = [row.name for row in found.values() if not row.in_process]
        raise MissingAllocator(describe_unknown("allocator", name, known))
    return found[name]


def is_tunable(name: str) -> bool:
    """Whether an allocator has tunables; False for one that is not in the table."""
    return any(row.name == name and row.is_tunable for row in rows())


def is_linked(kind: str) -> bool:
    """Whether a control block of this kind is of the allocator that is linked into the workbench itself."""
    return any(row.kind == kind and row.in_process for row in rows())


def has_own_block(name: str) -> bool:
    """Whether an allocator publishes a control block itself, without the agent."""
    return any(row.name == name and row.is_tunable and not row.has_agent for row in rows())


@cache
def _read(path: Path) -> tuple[Row, ...]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return tuple(_make_row(name, given) for name, given in content.items())
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadParameter(f"{path} ({TABLE_VARIABLE}): no table of allocators: {error}") from None


def _make_row(name: str, given: dict[str, Any]) -> Row:
    presets = (Preset(title, one["help"], one["values"]) for title, one in given.pop("presets", {}).items())
    for key, attribute in (("library", "file"), ("built", "is_built"), ("agent", "has_agent")):
        if key in given:
            given[attribute] = given.pop(key)
    unknown = given.keys() - {entry.name for entry in fields(Row)}
    if unknown:
        raise BadParameter(f"{name}: {', '.join(sorted(unknown))}: an allocator has no such thing")
    given.setdefault("remedy", f"apt-get install {given.get('package', '')}")
    return Row(name, **given | {"variables": tuple(given.get("variables", ())), "presets": tuple(presets)})


#: The allocator that is meant where none is named.
DEFAULT_ALLOCATOR = _read(_SHIPPED)[0].name
