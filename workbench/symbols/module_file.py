"""What the file of a program or library tells: its symbols, debug information and call frame information.

Offsets are counted from where the first byte of the module lies in memory.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pydemumble
from symbolic.cfi import CfiCache
from symbolic.debuginfo import Archive
from symbolic.exceptions import SymbolicError

from workbench.symbols.symbol_table import SymbolTable

#: By the name of a register, `.cfa` or `.ra`, how to compute what the caller has in it (in postfix notation).
Rules = Mapping[str, tuple[str, ...]]

_DEBUG_FILES = Path("/usr/lib/debug/.build-id")
_INIT = "STACK CFI INIT "
_CHANGE = "STACK CFI "


@dataclass(frozen=True)
class Place:
    """A function, and a line in it where debug information tells one.

    Parameters
    ----------
    function : str
        As its programmer writes it.
    file : str
        Path of the source file; "" if it is not known.
    line : int
        0 if it is not known.
    start : int
        Offset of the function.
    """

    function: str
    file: str = ""
    line: int = 0
    start: int = 0


class ModuleFile:
    """A file of code; OSError or ValueError if it cannot be read as one.

    Parameters
    ----------
    path : path
        Where it can be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._object = _open(path)
        #: What tells this build of the file from others; "" if the file has no build ID.
        self.build: str = self._object.code_id or ""
        self._parsed: dict[int, list[tuple[int, Rules]]] = {}

    def find(self, offset: int) -> list[Place]:
        """Name the function at an offset, and before it those that are inlined there, innermost first.

        Empty where the file has no symbol, as in a stripped file.
        """
        if self._symbols is None:
            return []
        symbols, table = self._symbols
        function = table.find(offset)
        found = [
            Place(_demangle(one.symbol), one.full_path or "", one.line, one.sym_addr)
            for one in symbols.lookup(offset)
        ]
        if function and found:
            found[-1] = replace(found[-1], function=_demangle(function.name), start=function.start)
        return found

    def find_rules(self, offset: int) -> Rules | None:
        """Find how the frame at an offset unwinds; None if the file does not tell."""
        starts, entries = self._frames
        at = bisect.bisect_right(starts, offset) - 1
        if at < 0:
            return None
        lines = self._parsed.get(at)
        if lines is None:
            lines = self._parsed[at] = _parse(entries[at], starts[at])
        if offset >= lines[-1][0]:
            return None
        return lines[bisect.bisect_right(lines, offset, key=lambda line: line[0]) - 1][1]

    @cached_property
    def _symbols(self) -> tuple[Any, SymbolTable] | None:
        separate = _DEBUG_FILES / self.build[:2] / f"{self.build[2:]}.debug"
        for path in (separate, self._path):
            try:
                return _open(path).make_symcache(), SymbolTable(path)
            except (OSError, ValueError, SymbolicError):
                continue
        return None

    @cached_property
    def _frames(self) -> tuple[list[int], list[str]]:
        """Starts of the functions that unwind, in ascending order, and the text of the rules of each."""
        try:
            content: bytes = CfiCache.from_object(self._object).open_stream().read()
        except SymbolicError:
            return [], []
        text = content.decode("ascii", "replace")
        entries = sorted(
            (int(entry.partition(" ")[0], 16), entry) for entry in text.split(_INIT) if entry[:1].isalnum()
        )
        return [start for start, _ in entries], [entry for _, entry in entries]


def _demangle(symbol: str) -> str:
    return pydemumble.demangle(symbol) or symbol


def _open(path: Path) -> Any:
    try:
        found = next(iter(Archive.open(str(path)).iter_objects()), None)
    except SymbolicError as error:
        raise ValueError(f"{path}: {error}") from None
    if found is None:
        raise ValueError(f"{path}: there is no code in it")
    return found


def _parse(entry: str, start: int) -> list[tuple[int, Rules]]:
    """Rules by the offset from which they hold; the last entry ends the function."""
    first, *changes = entry.splitlines()
    _, size, rest = first.split(" ", 2)
    rules = _parse_rules(rest)
    lines = [(start, rules)]
    for change in changes:
        if change.startswith(_CHANGE):
            offset, text = change.removeprefix(_CHANGE).split(" ", 1)
            rules = {**rules, **_parse_rules(text)}
            lines.append((int(offset, 16), rules))
    return [*lines, (start + int(size, 16), {})]


def _parse_rules(text: str) -> dict[str, tuple[str, ...]]:
    rules: dict[str, list[str]] = {}
    words: list[str] = []
    for word in text.split():
        if word.endswith(":"):
            words = rules[word[:-1].removeprefix("$")] = []
        else:
            words.append(word.removeprefix("$"))
    return {name: tuple(words) for name, words in rules.items()}
