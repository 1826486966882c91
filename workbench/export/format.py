"""What a format of exported defaults has to offer, and what all of them share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.allocators import spell
from workbench.control import Tunable, Value
from workbench.errors import BadParameter

TITLE = "Defaults of HAKMEM, written by the workbench."


@dataclass(frozen=True)
class Assignment:
    """One value as it stands in a file, not yet checked.

    Attributes
    ----------
    identifier : str
        The tunable as the file calls it: environment variable, name, or macro.
    text : str
        The value as text that `Tunable.parse` or `Format.decode` understands.
    line : int
        Line of the file, from 1; 0 if the format does not tell.
    """

    identifier: str
    text: str
    line: int


@dataclass(frozen=True)
class Format:
    """One format: how values become text and text becomes values.

    Attributes
    ----------
    name, title, suffix, file_name, help : str
        Name on the command line, name for people, ending of such files, how one is called if nobody says
        otherwise, and one line for people.
    identify : callable
        The identifiers of a tunable in this format: the one written first, then others understood.
    render : callable
        Whole text of a file, from lines of provenance (already safe in any comment), values, tunables.
    scan : callable
        The assignments of a text; raises BadParameter with the line for what it cannot read.
    comments : callable
        The texts of a file's leading comment lines, without the comment signs.
    recognises : callable
        Whether a text looks like this format.
    decode : callable
        The value of an assignment.
    expand : callable
        The assignments with those of tunables that share an identifier taken apart.
    """

    name: str
    title: str
    suffix: str
    file_name: str
    help: str
    identify: Callable[[Tunable], Sequence[str]]
    render: Callable[[Sequence[str], Mapping[str, Value], Mapping[str, Tunable]], str]
    scan: Callable[[str], list[Assignment]]
    comments: Callable[[str], list[str]]
    recognises: Callable[[str], bool]
    decode: Callable[[Tunable, str], Value]
    expand: Callable[[list[Assignment], Mapping[str, Tunable]], list[Assignment]] = lambda found, _: found


def parse_text(tunable: Tunable, text: str) -> Value:
    """Read the value of `text`, checked against the tunable's range."""
    return tunable.parse(text)


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
    for name, tunable in tunables.items():
        if name in values:
            groups.setdefault(tunable.group, []).append((tunable, values[name]))
    return list(groups.items())


def leading_hash_comments(text: str) -> list[str]:
    """Texts of the lines starting with '#' before the first line that does not."""
    found = []
    for line in text.split("\n"):
        if not line.startswith("#"):
            break
        found.append(line[1:].strip())
    return found


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a file's text, without the byte order mark that some editors write before it.

    Raises
    ------
    BadParameter
        If it cannot be read, or is not UTF-8 text.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadParameter(f"{os.fspath(path)}: {error.strerror}; name a settings file") from error
    except UnicodeDecodeError as error:
        raise BadParameter(f"{os.fspath(path)}: not a text file; name a settings file") from error
