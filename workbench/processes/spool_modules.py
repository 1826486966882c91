"""Return addresses to modules, by the copies of a process's memory map that its recorder made."""

from __future__ import annotations

import bisect
import re
from pathlib import Path
from typing import NamedTuple

from workbench.traces import Site

_LINE = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) \S+ \d+ *(.*)")
_DELETED = " (deleted)"


class _Mapping(NamedTuple):
    start: int
    end: int
    base: int  # where the module's first byte lies
    module: str


class ModuleMaps:
    """The copies of the maps in a spool's `.modules` file, which may grow.

    Parameters
    ----------
    path : Path
        Path of the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0
        self._rest = b""
        self._copies: list[list[_Mapping]] = []
        self._bases: dict[str, int] = {}

    def find(self, address: int, copies: int) -> Site:
        """Find the module of a return address.

        Parameters
        ----------
        address : int
            The address.
        copies : int
            How many copies there were when a call came from it: the last of them counts most.
        """
        self._read_on()
        last = min(max(copies - 1, 0), len(self._copies) - 1)
        for number in [*range(last, len(self._copies)), *range(last - 1, -1, -1)]:
            mappings = self._copies[number]
            at = bisect.bisect_right(mappings, address, key=lambda mapping: mapping.start) - 1
            if at >= 0 and address < mappings[at].end:
                mapping = mappings[at]
                return Site(mapping.module, address - mapping.base) if mapping.module else Site("", address)
        return Site("", address)

    def _read_on(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._read_bytes)
                text = file.read()
        except FileNotFoundError:
            return
        self._read_bytes += len(text)
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            if line.startswith(b"@"):
                self._copies.append([])
                self._bases = {}
            elif self._copies and (match := _LINE.fullmatch(line)):
                self._add(match)

    def _add(self, match: re.Match[bytes]) -> None:
        start, end, offset = (int(match[number], 16) for number in (1, 2, 4))
        name = match[5].decode("utf-8", "surrogateescape").removesuffix(_DELETED)
        module = name if name.startswith("/") else ""
        if offset == 0 or module not in self._bases:
            self._bases[module] = start - offset
        self._copies[-1].append(_Mapping(start, end, self._bases[module], module))
