"""Mappings of a process, and which of their pages are resident: /proc/PID/smaps and /proc/PID/pagemap."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import NoProcess, NotPermitted
from workbench.units import KIB

if TYPE_CHECKING:
    import numpy.typing as npt

    FloatArray = npt.NDArray[np.float64]
    IndexArray = npt.NDArray[np.int64]

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_HEAD = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ (\d+) *(.*)$")
_ENTRY_BYTES = 8
# Bits of a pagemap's entry (Documentation/admin-guide/mm/pagemap.rst).
_PRESENT, _IS_FILE, _IS_ALONE = (np.uint64(1 << bit) for bit in (63, 61, 56))
_ENTRIES_A_READ = 1 << 20


@dataclass(frozen=True)
class Mapping:
    """A line of smaps: addresses, path, resident bytes, and those of them in huge pages."""

    start: int
    end: int
    path: str = ""
    is_file: bool = False
    resident_bytes: int = 0
    huge_bytes: int = 0


def raise_plain(pid: int, error: OSError) -> NoProcess | NotPermitted:
    """What it means that a file of /proc/PID could not be read."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermitted(f"process {pid}: its memory cannot be read: {error.strerror}")
    return NoProcess(f"there is no process {pid}; it may have ended")


def read_mappings(pid: int) -> list[Mapping]:
    """Read the mappings of a process, by address.

    Raises
    ------
    NoProcess
        If there is none, or it has ended.
    OSError
        If the system does not let this user read them.
    """
    try:
        text = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError) as error:
        raise raise_plain(pid, error) from None
    mappings: list[dict[str, int | str | bool]] = []
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if head := _HEAD.match(line):
            path = head[4]
            mappings.append({"start": int(head[1], 16), "end": int(head[2], 16), "path": path})
            mappings[-1]["is_file"] = head[3] != "0"
        elif name == "Rss":
            mappings[-1]["resident_bytes"] = int(rest.split()[0]) * KIB
        elif name in ("AnonHugePages", "ShmemPmdMapped", "FilePmdMapped"):
            huge = int(mappings[-1].get("huge_bytes", 0))
            mappings[-1]["huge_bytes"] = huge + int(rest.split()[0]) * KIB
    if not mappings:  # a zombie, or a thread of the kernel
        raise NoProcess(f"process {pid} has no memory; it may have ended")
    # The kernel's own page at the end of the addresses is nobody's memory.
    return [Mapping(**one) for one in mappings if one["path"] != "[vsyscall]"]  # type: ignore[arg-type]


class PageMap:
    """Which pages of some stretches of addresses are resident.

    A page counts 1 if it is resident. The system counts the page of zeros, which programs see where they have
    only read, as present, but as no memory: where smaps counts fewer pages than are present, those that may
    be this page count only in part, so that the sum is that of smaps.

    Parameters
    ----------
    pid : int
    mappings : iterable of Mapping
        What the stretches lie in.
    stretches : iterable of (int, int)
        First address and end of each, on page boundaries; they do not overlap.

    Attributes
    ----------
    is_exact : bool
        False if the system has no pagemap to read. Then the resident bytes of each mapping are spread evenly.
    """

    def __init__(self, pid: int, mappings: Iterable[Mapping], stretches: Iterable[tuple[int, int]]) -> None:
        self.is_exact = True
        wanted = sorted(stretches)
        pieces = [
            (max(one.start, start), min(one.end, end), one)
            for one in mappings
            for start, end in wanted
            if one.start < end and start < one.end
        ]
        weights = []
        try:
            descriptor = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, ProcessLookupError) as error:
            if not Path(f"/proc/{pid}").exists():
                raise raise_plain(pid, error) from None
            descriptor = -1
        except PermissionError:
            descriptor = -1
        try:
            for start, end, mapping in pieces:
                first = (start - mapping.start) // PAGE_BYTES
                weights.append(self._weigh(descriptor, mapping)[first : first + (end - start) // PAGE_BYTES])
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        # An empty piece before all others, so that there always is one; the last weight is that of all pages
        # that are not mapped.
        self._starts = np.array([0, *(start // PAGE_BYTES for start, _, _ in pieces)], dtype=np.int64)
        self._lengths = np.array([0, *(len(one) for one in weights)], dtype=np.int64)
        self._places = np.cumsum(self._lengths) - self._lengths
        self._weights = np.concatenate((*weights, [0.0]))
        self._sums = np.concatenate(([0.0], np.cumsum(self._weights)))

    def _weigh(self, descriptor: int, mapping: Mapping) -> FloatArray:
        count = (mapping.end - mapping.start) // PAGE_BYTES
        resident = mapping.resident_bytes / PAGE_BYTES
        if descriptor < 0:
            self.is_exact = False
            return np.full(count, resident / count)
        entries = _read_entries(descriptor, mapping.start // PAGE_BYTES, count)
        # Memory of a file in a mapping of none is the system's huge page of zeros.
        is_zeros = np.logical_and(not mapping.is_file, (entries & _IS_FILE) != 0)
        weights: FloatArray = (((entries & _PRESENT) != 0) & ~is_zeros).astype(np.float64)
        surplus = weights.sum() - resident
        if surplus > 0:
            may_be_zeros = ((entries & (_IS_FILE | _IS_ALONE)) == 0) & (weights > 0)
            candidates = int(may_be_zeros.sum())
            if candidates:
                weights[may_be_zeros] -= min(1.0, surplus / candidates)
        return weights

    def sum_bytes(self, starts: IndexArray, ends: IndexArray) -> FloatArray:
        """Resident bytes between addresses, whatever is mapped there."""
        found: FloatArray = (self._count_before(ends) - self._count_before(starts)) * PAGE_BYTES
        return found

    def between(self, start: int, end: int) -> float:
        """Resident bytes between two addresses."""
        return float(self.sum_bytes(np.array([start]), np.array([end]))[0])

    def rows(self, starts: IndexArray, pages: int) -> FloatArray:
        """Weights of the first `pages` pages from each address on, a row an address."""
        numbers = starts[:, None] + np.arange(pages) * PAGE_BYTES
        return self._weights[self._place(numbers)]

    def _find_piece(self, addresses: IndexArray) -> tuple[IndexArray, IndexArray]:
        """The last piece that begins at or before each address, and pages from its start on."""
        numbers = addresses // PAGE_BYTES
        piece = np.searchsorted(self._starts, numbers, side="right") - 1
        return piece, numbers - self._starts[piece]

    def _count_before(self, addresses: IndexArray) -> FloatArray:
        piece, offset = self._find_piece(addresses)
        sums: FloatArray = self._sums[self._places[piece] + np.minimum(offset, self._lengths[piece])]
        return sums

    def _place(self, addresses: IndexArray) -> IndexArray:
        """Where the weights of pages are; the last one for pages that are not mapped."""
        piece, offset = self._find_piece(addresses)
        return np.where(offset < self._lengths[piece], self._places[piece] + offset, len(self._weights) - 1)


def _read_entries(descriptor: int, first: int, count: int) -> npt.NDArray[np.uint64]:
    """Entries of a pagemap; those of a process that ends meanwhile are zeros."""
    parts = []
    while count > 0:
        content = os.pread(descriptor, min(count, _ENTRIES_A_READ) * _ENTRY_BYTES, first * _ENTRY_BYTES)
        part = np.frombuffer(content[: len(content) // _ENTRY_BYTES * _ENTRY_BYTES], dtype=np.uint64)
        if not len(part):
            part = np.zeros(count, dtype=np.uint64)
        parts.append(part)
        first, count = first + len(part), count - len(part)
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)
