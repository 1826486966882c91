"""Environment files: NAME=value lines that a shell can source and systemd can read.

What both understand is little: one assignment a line, comments on lines of their own, values without
spaces unless quoted. So nothing else is written, and a comment never ends in a backslash.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from workbench.allocators import StartPlace, find_place, read_variable, spell, write_variables
from workbench.control import Tunable, Value
from workbench.errors import BadParameter
from workbench.export.format import (
    TITLE,
    Assignment,
    Format,
    describe_value,
    group_values,
    leading_hash_comments,
    parse_text,
)

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def _identify(tunable: Tunable) -> Sequence[str]:
    return [tunable.environment or _make_name(tunable)]


def _make_name(tunable: Tunable) -> str:
    """Variable of a tunable that has none: a program reads it, if no allocator does."""
    return re.sub(r"[^A-Z0-9]", "_", tunable.name.upper())


def _render(provenance: Sequence[str], values: Mapping[str, Value], tunables: Mapping[str, Tunable]) -> str:
    lines = [f"# {TITLE}", *(f"# {line}" for line in provenance)]
    shared: list[tuple[Tunable, Value]] = []
    for group, members in group_values(values, tunables):
        lines += ["", f"# {group}"]
        for tunable, value in members:
            place = find_place(tunable) if tunable.environment else StartPlace(_make_name(tunable))
            if value != tunable.default:
                name = f"{tunable.name} = {spell(value)}, " if place.separator else ""
                lines.append(f"# {name}{describe_value(tunable, value)}:")
            if place.separator:
                shared.append((tunable, value))
            else:
                lines.append(f"{place.name}={shlex.quote(spell(value))}")
    lines += [f"{name}={shlex.quote(text)}" for name, text in write_variables(shared).items()]
    return "\n".join(lines) + "\n"


def _expand(found: list[Assignment], tunables: Mapping[str, Tunable]) -> list[Assignment]:
    return [
        Assignment(identifier, text, one.line)
        for one in found
        for identifier, text in read_variable(one.identifier, one.text, tunables)
    ]


def _scan(text: str) -> list[Assignment]:
    found = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        match = _ASSIGNMENT.fullmatch(stripped)
        try:
            words = shlex.split(match[2]) if match else []
        except ValueError:
            match, words = None, []
        if match is None or len(words) > 1:
            raise BadParameter(f"line {number}: '{stripped}' is not NAME=value; quote a value with spaces")
        found.append(Assignment(match[1], words[0] if words else "", number))
    return found


def _recognises(text: str) -> bool:
    return re.search(r"^\s*(?:export\s+)?[A-Za-z_][A-Za-z0-9_]*=", text, re.MULTILINE) is not None


ENVIRONMENT = Format(
    name="env",
    title="environment file",
    suffix=".env",
    file_name="hakmem.env",
    help="environment file, for a shell or systemd's EnvironmentFile",
    identify=_identify,
    render=_render,
    scan=_scan,
    comments=leading_hash_comments,
    recognises=_recognises,
    decode=parse_text,
    expand=_expand,
)
