"""What a format of exported defaults has to offer, and what all of them share."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from workbench.allocators import Allocator, spell
from workbench.control import Tunable, Value
from workbench.errors import BadParameter

_TITLE = re.compile("Defaults of (.+), written by the workbench.")


def write_title(allocator: str) -> str:
    """The first line of a file."""
    return f"Defaults of {allocator}, written by the workbench."


def read_title(text: str) -> str | None:
    """Whose defaults a text says it holds; None if it says nothing."""
    match = _TITLE.search(text)
    return match[1] if match else None


@dataclass(frozen=True)
class Assignment:
    """One value as it stands in a file, not yet checked.

    Attributes
    ----------
    identifier : str
        The tunable as the file calls it: environment variable, name, or macro.
    line : int
        Line of the file, from 1; 0 if the format does not tell.
    """

    identifier: str
    text: str
    line: int


@dataclass(frozen=True)
class Format(ABC):
    """One format: how values become text and text becomes values; its title and help are for people."""

    name: str
    title: str
    suffix: str
    help: str

    def name_file(self, allocator: str) -> str:
        """How a file is called if nobody says otherwise."""
        return allocator + self.suffix

    def identify(self, tunable: Tunable, allocator: Allocator) -> str:
        """What a tunable is called in a file; empty if it cannot be in one."""
        del allocator
        return tunable.name

    @abstractmethod
    def render(self, comments: Sequence[str], values: Mapping[str, Value], allocator: Allocator) -> str:
        """The whole text of a file; the comments are safe in any format."""

    @abstractmethod
    def scan(self, text: str) -> list[Assignment]:
        """The assignments of a text; BadParameter with the line that it cannot read."""

    def expand(self, found: list[Assignment], allocator: Allocator) -> list[Assignment]:
        """The assignments with those of tunables that share an identifier taken apart."""
        del allocator
        return found

    def decode(self, tunable: Tunable, text: str) -> Value:
        """Read the value of an assignment, checked against the tunable's range."""
        return tunable.parse(text)

    @abstractmethod
    def recognises(self, text: str) -> bool:
        """Whether a text looks like this format."""

    def list_comments(self, text: str) -> list[str]:
        """The texts of a file's leading comment lines, without the comment signs."""
        leading = takewhile(lambda line: line.startswith("#"), text.split("\n"))
        return [line[1:].strip() for line in leading]


def describe_value(tunable: Tunable, value: Value) -> str:
    """Word the comment that stands with a value: its unit, and the default if it differs."""
    words = [tunable.unit] if tunable.unit else []
    if value != tunable.default:
        words.append(f"default {spell(tunable.default)}")
    return ", ".join(words)


def group_values(
    values: Mapping[str, Value], tunables: Mapping[str, Tunable]
) -> list[tuple[str, list[tuple[Tunable, Value]]]]:
    """Values by component, in the order of the descriptors."""
    groups: dict[str, list[tuple[Tunable, Value]]] = {}
    for tunable in tunables.values():
        if tunable.name in values:
            groups.setdefault(tunable.group, []).append((tunable, values[tunable.name]))
    return list(groups.items())


def read_text(path: str | os.PathLike[str]) -> str:
    """A file's text, without the byte order mark that some editors write before it; else BadParameter."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise BadParameter(f"{os.fspath(path)}: {reason}; name a settings file") from error
