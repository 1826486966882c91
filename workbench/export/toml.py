"""TOML files: a table `tunables`, with the names as everywhere else, and perhaps a table `evidence`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomlkit

from workbench.allocators import spell
from workbench.control import Tunable, Value
from workbench.errors import BadParameter
from workbench.export.evidence_text import TABLE
from workbench.export.format import (
    TITLE,
    Assignment,
    Format,
    describe_value,
    group_values,
    leading_hash_comments,
    parse_text,
)


def _identify(tunable: Tunable) -> Sequence[str]:
    return [tunable.name]


def _render(provenance: Sequence[str], values: Mapping[str, Value], tunables: Mapping[str, Tunable]) -> str:
    document = tomlkit.document()
    for line in (TITLE, *provenance):
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    table = tomlkit.table()
    for group, members in group_values(values, tunables):
        table.add(tomlkit.comment(group))
        for tunable, value in members:
            item = tomlkit.item(value)
            comment = describe_value(tunable, value)
            if comment:
                item.comment(comment)
            # The name is one quoted key: a dotted one would make 'a' and 'a.b' exclude each other.
            table.add(tunable.name, item)
    document.add("tunables", table)
    return tomlkit.dumps(document)


def _scan(text: str) -> list[Assignment]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadParameter(f"not TOML: {error}") from error
    table = content.pop("tunables", {})
    content.pop(TABLE, None)
    if content or not isinstance(table, dict):
        raise BadParameter(f"'{next(iter(content), 'tunables')}' is not the table [tunables]")
    return list(_flatten(table, ""))


def _flatten(table: Mapping[str, Any], prefix: str) -> Iterator[Assignment]:
    for key, value in table.items():
        name = prefix + key
        if isinstance(value, dict):
            yield from _flatten(value, name + ".")
        elif isinstance(value, bool | int | float | str):
            yield Assignment(name, spell(value), 0)
        else:
            raise BadParameter(f"{name}: {value!r} is not a number, a truth value or a word")


def _recognises(text: str) -> bool:
    return re.search(r"^\s*\[tunables", text, re.MULTILINE) is not None


TOML = Format(
    name="toml",
    title="TOML",
    suffix=".toml",
    file_name="hakmem.toml",
    help="TOML, for people and other programs",
    identify=_identify,
    render=_render,
    scan=_scan,
    comments=leading_hash_comments,
    recognises=_recognises,
    decode=parse_text,
)
