"""What lies where in the memory of a process: modules, and code that the process made itself."""

from __future__ import annotations

import bisect
import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from workbench.errors import NoProcess, NotPermitted
from workbench.symbols import Names, Place, Rules

_LINE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (..)(.). ([0-9a-f]+) \S+ \d+ *(.*)")
_DELETED = " (deleted)"


class _Mapping(NamedTuple):
    start: int
    end: int
    base: int
    module: str


@dataclass(frozen=True, order=True)
class Frame:
    """A function on a stack.

    Parameters
    ----------
    function : str
        Its name; where no symbol is known, module and offset.
    module : str
        File name of the program or library; "" if it is in none.
    file : str
        Path of the source file; "" if it is not known.
    line : int
        0 if it is not known.
    """

    function: str
    module: str = ""
    file: str = ""
    line: int = 0


class AddressSpace:
    """The executable mappings of a process as they are now.

    A module that the process has unloaded meanwhile is not known any more. Nor are the names in one whose
    file was replaced or removed since: they are `libjson.so (deleted)+0x2724a`, because another build may
    lie at its path.

    Parameters
    ----------
    pid : int
        NoProcess if it does not run, NotPermitted if it is another user's.
    """

    def __init__(self, pid: int) -> None:
        process = Path("/proc", str(pid))
        try:
            text = (process / "maps").read_text(encoding="utf-8", errors="surrogateescape")
        except PermissionError:
            raise NotPermitted(
                f"process {pid} belongs to another user, or lets nobody read its memory map"
            ) from None
        except (FileNotFoundError, ProcessLookupError):
            raise NoProcess(f"process {pid} does not run any more") from None
        self._mappings = _parse(text)
        #: File name of the process's program; "" if the process does not tell.
        self.program = ""
        with contextlib.suppress(OSError):
            self.program = (process / "exe").readlink().name.removesuffix(_DELETED)
        self._names = Names(process / "root")
        self._made = _read_made(pid, process / "root")
        self._frames: dict[tuple[int, bool], list[Frame]] = {}

    def is_code(self, address: int) -> bool:
        """Whether an address is executable."""
        return self._find(address) is not None

    def find_rules(self, address: int) -> Rules | None:
        """Find how the frame at an address unwinds; None if nothing tells."""
        mapping = self._find(address)
        file = self._names.open(mapping.module) if mapping else None
        return file.find_rules(address - mapping.base) if file and mapping else None

    def find_frames(self, address: int, *, is_return: bool) -> list[Frame]:
        """Name the function at an address, or the one whose call returns there; inlined ones come first."""
        key = address, is_return
        if key not in self._frames:
            self._frames[key] = self._name(address - is_return)
        return self._frames[key]

    def _name(self, address: int) -> list[Frame]:
        mapping = self._find(address)
        if mapping is None:
            return [Frame(f"{address:#x}")]
        file = mapping.module.rpartition("/")[2]
        module = file.removesuffix(_DELETED)
        offset = address - mapping.base
        places = self._names.find(mapping.module, offset) or self._find_made(address)
        if not places:
            where = (
                f"{file}+{offset:#x}" if mapping.module.startswith("/") else module or "code made at run time"
            )
            return [Frame(where, module)]
        return [Frame(place.function, module, place.file, place.line) for place in places]

    def _find(self, address: int) -> _Mapping | None:
        at = bisect.bisect_right(self._mappings, address, key=lambda mapping: mapping.start) - 1
        return self._mappings[at] if at >= 0 and address < self._mappings[at].end else None

    def _find_made(self, address: int) -> list[Place]:
        at = bisect.bisect_right(self._made, address, key=lambda made: made[0]) - 1
        return [Place(self._made[at][2])] if at >= 0 and address < self._made[at][1] else []


def _parse(text: str) -> list[_Mapping]:
    bases: dict[str, int] = {}
    found = []
    for line in text.splitlines():
        if match := _LINE.fullmatch(line):
            start, end, offset = (int(match[number], 16) for number in (1, 2, 5))
            module = match[6]
            if offset == 0 or module not in bases:
                bases[module] = start - offset
            if match[4] == "x":
                found.append(_Mapping(start, end, bases[module], module))
    return found


def _read_made(pid: int, root: Path) -> list[tuple[int, int, str]]:
    """Start, end and name of functions that the process made, as interpreters write them for perf."""
    found = []
    with contextlib.suppress(OSError):
        for line in (root / f"tmp/perf-{pid}.map").read_text(encoding="utf-8", errors="replace").splitlines():
            start, _, rest = line.partition(" ")
            size, _, name = rest.partition(" ")
            with contextlib.suppress(ValueError):
                found.append((int(start, 16), int(start, 16) + int(size, 16), name))
    return sorted(found)
