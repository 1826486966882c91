"""TOML files: a table `tunables`, with the names as everywhere else, and perhaps a table `evidence`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomlkit

from workbench.allocators import Allocator, spell
from workbench.control import Value
from workbench.errors import BadParameter
from workbench.export.evidence_text import TABLE
from workbench.export.format import Assignment, Format, describe_value, group_values


class Toml(Format):
    """A table, with a comment at each value."""

    def render(self, comments: Sequence[str], values: Mapping[str, Value], allocator: Allocator) -> str:
        """The values by component."""
        document = tomlkit.document()
        for line in comments:
            document.add(tomlkit.comment(line))
        document.add(tomlkit.nl())
        table = tomlkit.table()
        for group, members in group_values(values, allocator.tunables):
            table.add(tomlkit.comment(group))
            for tunable, value in members:
                item = tomlkit.item(value)
                if comment := describe_value(tunable, value):
                    item.comment(comment)
                # The name is one quoted key: a dotted one would make 'a' and 'a.b' exclude each other.
                table.add(tunable.name, item)
        document.add("tunables", table)
        return tomlkit.dumps(document)

    def scan(self, text: str) -> list[Assignment]:
        """The entries of the table; names may be dotted keys."""
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadParameter(f"not TOML: {error}") from error
        table = content.pop("tunables", {})
        content.pop(TABLE, None)
        if content or not isinstance(table, dict):
            raise BadParameter(f"'{next(iter(content), 'tunables')}' is not the table [tunables]")
        return list(_flatten(table, ""))

    def recognises(self, text: str) -> bool:
        """Whether it has the table."""
        return re.search(r"^\s*\[tunables", text, re.MULTILINE) is not None


def _flatten(table: Mapping[str, Any], prefix: str) -> Iterator[Assignment]:
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, dict):
            yield from _flatten(value, name + ".")
        elif isinstance(value, bool | int | float | str):
            yield Assignment(name, spell(value), 0)
        else:
            raise BadParameter(f"{name}: {value!r} is not a number, a truth value or a word")


TOML = Toml("toml", "TOML", ".toml", "TOML, for people and other programs")
