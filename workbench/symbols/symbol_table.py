"""The symbol table of a program or library: which function lies where.

`symbolic` names a function by the symbol at its lowest address. A compiler that moves the unlikely part of a
function elsewhere makes that the name of another function's unlikely part, such as `parse.cold`.
"""

from __future__ import annotations

import bisect
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
_SECTION = np.dtype("<u4, <u4, <u8, <u8, <u8, <u8, <u4, <u4, <u8, <u8")
_SEGMENT = np.dtype("<u4, <u4, <u8, <u8, <u8, <u8, <u8, <u8")
_SYMBOL = np.dtype(
    [("name", "<u4"), ("info", "u1"), ("other", "u1"), ("section", "<u2"), ("value", "<u8"), ("size", "<u8")]
)
_ELF64_LITTLE = b"\x7fELF\x02\x01"
_LOAD, _SYMBOLS, _DYNAMIC_SYMBOLS, _FUNCTION, _GLOBAL = 1, 2, 11, 2, 16


class Function(NamedTuple):
    """A function: its offset from the module's first byte in memory, its end, and its name.

    If it has several names, one that other files see is taken, and the shortest of these.
    """

    start: int
    end: int
    name: str


class SymbolTable:
    """The functions of a file; none if it is not ELF of 64 bits, or damaged.

    Parameters
    ----------
    path : path
        The file.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._functions = _read_functions(file)
        except (OSError, ValueError, IndexError, OverflowError, MemoryError, struct.error):
            self._functions = []

    def find(self, offset: int) -> Function | None:
        """Find the function at an offset; None if no symbol tells."""
        at = bisect.bisect_right(self._functions, offset, key=lambda function: function.start) - 1
        return self._functions[at] if at >= 0 and offset < self._functions[at].end else None


def _read_functions(file: BinaryIO) -> list[Function]:
    head = _read(file, 0, _HEADER.size)
    if not head.startswith(_ELF64_LITTLE):
        return []
    _, _, _, _, segments_at, sections_at, _, _, _, segment_count, _, section_count, _ = _HEADER.unpack(head)
    segments = np.frombuffer(_read(file, segments_at, segment_count * _SEGMENT.itemsize), _SEGMENT)
    sections = np.frombuffer(_read(file, sections_at, section_count * _SECTION.itemsize), _SECTION)
    base = min(int(one["f3"]) for one in segments if one["f0"] == _LOAD)
    tables = [one for kind in (_SYMBOLS, _DYNAMIC_SYMBOLS) for one in sections if one["f1"] == kind]
    if not tables:
        return []
    table = tables[0]
    content = _read(file, int(table["f4"]), int(table["f5"]) // _SYMBOL.itemsize * _SYMBOL.itemsize)
    strings = sections[int(table["f6"])]
    text = _read(file, int(strings["f4"]), int(strings["f5"]))
    symbols = np.frombuffer(content, _SYMBOL)
    symbols = symbols[(symbols["info"] % 16 == _FUNCTION) & (symbols["size"] > 0) & (symbols["section"] > 0)]
    names: dict[tuple[int, int], tuple[bool, int, str]] = {}
    for at, info, _, _, value, size in symbols.tolist():
        name = (
            text[at : text.index(b"\0", at)]
            .decode("utf-8", "replace")
            .partition("@")[0]
            .removesuffix(".cold")
        )
        place, preference = (value - base, value - base + size), (info < _GLOBAL, len(name), name)
        names[place] = min(preference, names.get(place, preference))
    return [Function(start, end, name) for (start, end), (_, _, name) in sorted(names.items())]


def _read(file: BinaryIO, offset: int, count: int) -> bytes:
    file.seek(offset)
    return file.read(count)
