"""C headers: macros that replace the defaults when an allocator is compiled, such as HAK_DEFAULT_<field>."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from workbench.allocators import Allocator, rows, spell
from workbench.control import Tunable, Value
from workbench.errors import BadParameter, OutOfRange
from workbench.export.format import Assignment, Format, describe_value, group_values

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_DEFINE = re.compile(r"#\s*define\s+(\w+)(?:\s+(.*))?")
_GUARD = re.compile(r"^\s*#\s*ifndef\s+(\w+)", re.MULTILINE)
_LEADING = re.compile(r"\s*/\*(.*?)\*/", re.DOTALL)


class Header(Format):
    """A macro a tunable; of allocators only that are built with such a header."""

    def name_file(self, allocator: str) -> str:
        """As `Format.name_file`."""
        return f"{allocator}_defaults{self.suffix}"

    def identify(self, tunable: Tunable, allocator: Allocator) -> str:
        """Its macro."""
        return allocator.macros and allocator.macros + re.sub(r"\W", "_", tunable.name)

    def render(self, comments: Sequence[str], values: Mapping[str, Value], allocator: Allocator) -> str:
        """The macros by component, within a guard."""
        if not allocator.macros:
            raise BadParameter(f"{allocator.name} is not built from a C header; choose another format")
        guard = re.sub(r"\W", "_", allocator.name.upper()) + "_DEFAULTS_H"
        lines = ["/* " + "\n * ".join(comments), " */", f"#ifndef {guard}", f"#define {guard}"]
        for group, members in group_values(values, allocator.tunables):
            lines += ["", f"/* {group} */"]
            for tunable, value in members:
                remarks = [str(value)] if tunable.choices else []
                remarks += [text] if (text := describe_value(tunable, value)) else []
                comment = f" /* {', '.join(remarks)} */" if remarks else ""
                # Without parentheses around a sign: the allocator reads the macro's text as a number.
                number = tunable.choices.index(str(value)) if tunable.choices else spell(value)
                lines.append(f"#define {self.identify(tunable, allocator)} {number}{comment}")
        return "\n".join([*lines, "", "#endif"]) + "\n"

    def scan(self, text: str) -> list[Assignment]:
        """The macros, without the guard."""
        found: dict[str, Assignment] = {}
        # Comments go, their lines stay: the numbers of lines are needed.
        bare = _COMMENT.sub(lambda match: " " + "\n" * match[0].count("\n"), text)
        guards = _GUARD.findall(bare)
        for number, line in enumerate(bare.split("\n"), start=1):
            stripped = line.strip()
            match = _DEFINE.fullmatch(stripped)
            if match is None:
                if stripped and not re.match(r"#\s*(ifndef|endif|pragma)\b", stripped):
                    raise BadParameter(f"line {number}: '{stripped}' is not #define <macro> <value>")
                continue
            identifier, value = match[1], (match[2] or "").strip()
            if not value and identifier in guards:
                continue
            if identifier in found:
                raise BadParameter(f"line {number}: {identifier} stands here a second time; keep one")
            found[identifier] = Assignment(identifier, value, number)
        return list(found.values())

    def decode(self, tunable: Tunable, text: str) -> Value:
        """A number; of a choice, its index."""
        bare = text[1:-1].strip() if text.startswith("(") and text.endswith(")") else text
        if not tunable.choices:
            return tunable.parse(bare)
        if bare.isdecimal() and int(bare) < len(tunable.choices):
            return tunable.choices[int(bare)]
        choices = ", ".join(f"{index} = {choice}" for index, choice in enumerate(tunable.choices))
        raise OutOfRange(f"{tunable.name}: '{text}' is none of {choices}")

    def list_comments(self, text: str) -> list[str]:
        """The lines of the comment that it begins with."""
        match = _LEADING.match(text)
        return [line.strip().removeprefix("*").strip() for line in match[1].split("\n")] if match else []

    def recognises(self, text: str) -> bool:
        """Whether it has a guard, or defines a macro of an allocator."""
        macros = "|".join(row.macros for row in rows() if row.macros)
        return re.search(rf"^\s*#\s*(?:define\s+(?:{macros})|ifndef\s)", text, re.MULTILINE) is not None


HEADER = Header(
    "header", "C header", ".h", "C header, to build the allocator with (make native DEFAULTS=file.h)"
)
