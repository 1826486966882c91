"""TOML files: a table `tunables`, with the names as everywhere else, and perhaps a table `evidence`.

Other formats have the lines of that table, as far as they tell the claim, in their comments.
"""

from __future__ import annotations

import base64
import json
import re
import tomllib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomlkit

from workbench.allocators import Allocator, spell
from workbench.control import Value
from workbench.errors import BadParameter, DamagedEvidence
from workbench.export.format import Assignment, Format, describe_value, group_values
from workbench.export.provenance import UNSAFE_PAIRS, parse_provenance

TABLE = "evidence"
# Until version 2, comments held the evidence as compressed JSON in base64.
_PACKED = re.compile(r"evidence [0-9]+ of [0-9]+")
_MOST_BYTES = 16 << 20


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


def render_evidence(content: Mapping[str, Any]) -> list[str]:
    """Lines of TOML: a list of tables has a line for each entry."""
    return list(_render_table(TABLE, content))


def render_comments(content: Mapping[str, Any]) -> list[str]:
    """The same lines, safe in any comment: TOML reads an escaped character as the character itself."""
    lines = [line for line in render_evidence(content) if line]
    for pair, replacement in UNSAFE_PAIRS.items():
        lines = [line.replace(pair, replacement) for line in lines]
    return lines


def read_table(text: str) -> Any | None:
    """The evidence in the text of a TOML file; None if there is none, DamagedEvidence if it is not TOML."""
    try:
        return tomllib.loads(text).get(TABLE)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DamagedEvidence(f"{TABLE}: not TOML: {error}") from None


def read_comments(comments: Sequence[str]) -> Any | None:
    """The evidence in comments, also as earlier versions wrote it; DamagedEvidence if it cannot be read."""
    if f"[{TABLE}]" in comments:
        return read_table("\n".join(comments[comments.index(f"[{TABLE}]") :]))
    packed = [text for name, text in parse_provenance(comments).items() if _PACKED.fullmatch(name)]
    if not packed:
        return None
    try:
        return json.loads(zlib.decompressobj().decompress(base64.b64decode("".join(packed)), _MOST_BYTES))
    except (ValueError, zlib.error, RecursionError) as error:
        raise DamagedEvidence(f"{TABLE}: a line of it is missing or was changed ({error})") from None


def _render_table(path: str, content: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{path}]"
    known = _known(content)
    for key, value in known.items():
        if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            yield from (f"{key} = [", *(f"  {_spell(entry)}," for entry in value), "]")
        elif not isinstance(value, Mapping):
            yield f"{key} = {_spell(value)}"
    for key, value in known.items():
        if isinstance(value, Mapping):
            yield ""
            yield from _render_table(f"{path}.{key}", value)


def _known(content: Mapping[str, Any]) -> dict[str, Any]:
    """Fields by their keys; TOML has no null: those without a value are left out."""
    return {tomlkit.key(name).as_string(): value for name, value in content.items() if value is not None}


def _spell(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key} = {_spell(item)}" for key, item in _known(value).items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_spell, value))}]"
    return str(tomlkit.item(float("nan") if value is None else value).as_string())
