"""C headers: HAK_DEFAULT_<field> macros that replace the defaults when the allocator is compiled."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from workbench.allocators import spell
from workbench.control import Tunable, Value
from workbench.errors import BadParameter, OutOfRange
from workbench.export.format import TITLE, Assignment, Format, describe_value, group_values

_GUARD = "HAKMEM_DEFAULTS_H"
_PREFIX = "HAK_DEFAULT_"
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_DEFINE = re.compile(r"#\s*define\s+(\w+)(?:\s+(.*))?")
_LEADING = re.compile(r"\s*/\*(.*?)\*/", re.DOTALL)


def _identify(tunable: Tunable) -> Sequence[str]:
    return [_PREFIX + re.sub(r"\W", "_", tunable.name)]


def _encode(tunable: Tunable, value: Value) -> str:
    # Without parentheses around a sign: the allocator reads the macro's text as a number.
    return str(tunable.choices.index(str(value))) if tunable.choices else spell(value)


def _render(provenance: Sequence[str], values: Mapping[str, Value], tunables: Mapping[str, Tunable]) -> str:
    lines = ["/* " + TITLE, *(f" * {line}" for line in provenance), " */"]
    lines += [f"#ifndef {_GUARD}", f"#define {_GUARD}"]
    for group, members in group_values(values, tunables):
        lines += ["", f"/* {group} */"]
        for tunable, value in members:
            remarks = [str(value)] if tunable.choices else []
            remarks += [text] if (text := describe_value(tunable, value)) else []
            comment = f" /* {', '.join(remarks)} */" if remarks else ""
            lines.append(f"#define {_identify(tunable)[0]} {_encode(tunable, value)}{comment}")
    return "\n".join([*lines, "", "#endif"]) + "\n"


def _scan(text: str) -> list[Assignment]:
    found: dict[str, Assignment] = {}
    # Comments go, their lines stay: the numbers of lines are needed.
    bare = _COMMENT.sub(lambda match: " " + "\n" * match[0].count("\n"), text)
    for number, line in enumerate(bare.split("\n"), start=1):
        stripped = line.strip()
        match = _DEFINE.fullmatch(stripped)
        if match is None:
            if stripped and not re.match(r"#\s*(ifndef|endif|pragma)\b", stripped):
                raise BadParameter(f"line {number}: '{stripped}' is not #define {_PREFIX}<field> <value>")
            continue
        identifier, value = match[1], (match[2] or "").strip()
        if not value and not identifier.startswith(_PREFIX):
            continue  # the include guard
        if identifier in found:
            raise BadParameter(f"line {number}: {identifier} stands here a second time; keep one")
        found[identifier] = Assignment(identifier, value, number)
    return list(found.values())


def _decode(tunable: Tunable, text: str) -> Value:
    bare = text[1:-1].strip() if text.startswith("(") and text.endswith(")") else text
    if not tunable.choices:
        return tunable.parse(bare)
    if bare.isdecimal() and int(bare) < len(tunable.choices):
        return tunable.choices[int(bare)]
    choices = ", ".join(f"{index} = {choice}" for index, choice in enumerate(tunable.choices))
    raise OutOfRange(f"{tunable.name}: '{text}' is none of {choices}")


def _comments(text: str) -> list[str]:
    match = _LEADING.match(text)
    if match is None:
        return []
    return [line.strip().removeprefix("*").strip() for line in match[1].split("\n")]


def _recognises(text: str) -> bool:
    return re.search(rf"^\s*#\s*(?:define\s+{_PREFIX}|ifndef\s)", text, re.MULTILINE) is not None


HEADER = Format(
    name="header",
    title="C header",
    suffix=".h",
    file_name="hakmem_defaults.h",
    help="C header, to build the allocator with (make native DEFAULTS=file.h)",
    identify=_identify,
    render=_render,
    scan=_scan,
    comments=_comments,
    recognises=_recognises,
    decode=_decode,
)
