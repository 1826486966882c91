"""`resolver.h`: the records of a spool made events."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.bindings.native import ffi, lib, point_at, read_record
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    import numpy.typing as npt

SEGMENT_RECORDS: int = lib.hak_spool_segment_records()
_HEAD_BYTES = 4096


class SpoolTotals(NamedTuple):
    """What the records that were read come to: struct hak_resolver_totals."""

    objects: int
    live_bytes: int
    peak_live_bytes: int
    unknown_frees: int
    missed_frees: int
    lost_records: int


class SpoolState(NamedTuple):
    """What a process image says of itself: struct hak_spool_state."""

    pid: int
    parent_pid: int
    program: str  # path of its file
    command: tuple[str, ...]  # program and arguments, as many as fit
    start_realtime_ns: int  # when its recording began, since 1970
    next: int  # records it began to write
    stopped: int  # the system's error number that ended the recording before the process; 0: none
    ended: int  # not 0 if it called exit or _exit


class MappedFile:
    """The first bytes of a file in memory; OSError if it cannot be read, EBADMSG if it is shorter."""

    def __init__(self, path: Path, size_bytes: int, *, is_writable: bool) -> None:
        self._size_bytes = size_bytes
        self.address: Any = lib.hak_spool_map(os.fsencode(path), size_bytes, is_writable)
        if self.address != ffi.NULL:
            return
        text = "it was cut short" if ffi.errno == errno.EBADMSG else os.strerror(ffi.errno)
        raise OSError(ffi.errno, text, str(path))

    def close(self) -> None:
        """Unmap it; closing twice does nothing."""
        if self.address != ffi.NULL:
            lib.hak_spool_unmap(self.address, self._size_bytes)
            self.address = ffi.NULL


class Resolver:
    """Objects that live, as far as the records of a spool were read.

    WorkbenchError if its first file is no spool's head, OSError if it cannot be read.
    """

    def __init__(self, head: Path) -> None:
        self._head = MappedFile(head, _HEAD_BYTES, is_writable=True)
        self._resolver = lib.hak_resolver_new(self._head.address)
        if self._resolver == ffi.NULL:
            self._head.close()
            raise WorkbenchError(f"{head}: it is no head of a recorder's spool")

    def read_state(self) -> SpoolState:
        """Read what the process image says of itself now."""
        state = ffi.new("struct hak_spool_state *")
        lib.hak_resolver_state(self._resolver, state)
        program = ffi.string(state.program).decode("utf-8", "replace")
        command = bytes(ffi.buffer(state.command, state.command_bytes)).decode("utf-8", "replace")
        words = command.rstrip("\0").split("\0") if command else []
        return read_record(state, SpoolState)._replace(program=program, command=tuple(words))

    def read_totals(self) -> SpoolTotals:
        """What the records read so far come to."""
        totals = ffi.new("struct hak_resolver_totals *")
        lib.hak_resolver_totals(self._resolver, totals)
        return read_record(totals, SpoolTotals)

    def set_consumed(self, records: int) -> None:
        """Tell the process image that so many records are read."""
        lib.hak_resolver_set_consumed(self._resolver, records)

    def stop(self) -> None:
        """Have the process record no more, at the next segment it would make."""
        lib.hak_resolver_stop(self._resolver)

    def lose(self, records: int) -> None:
        """Count records that cannot be read."""
        lib.hak_resolver_lose(self._resolver, records)

    def run(
        self,
        segment: MappedFile,
        first: int,
        count: int,
        columns: Mapping[str, npt.NDArray[Any]],
        site_address: npt.NDArray[Any],
        site_copies: npt.NDArray[Any],
        *,
        is_final: bool,
    ) -> tuple[int, int, int]:
        """Resolve records of a segment into columns with room for two events a record.

        Returns the numbers of events, of new call sites, and of records that were read. MemoryError if the
        objects do not fit into memory.
        """
        sites = ffi.new("struct hak_new_sites *", {"capacity": len(site_address)})
        sites.address = ffi.from_buffer("uint64_t[]", site_address)
        sites.map_copies = ffi.from_buffer("uint32_t[]", site_copies)
        target = ffi.new("struct hak_event_columns *")
        point_at(target, columns)
        taken = ffi.new("uint32_t *")
        events = lib.hak_resolver_run(
            self._resolver, segment.address, first, count, is_final, target, sites, taken
        )
        if events < 0:
            raise MemoryError("the recorded program's objects do not fit into memory")
        return int(events), int(sites.count), int(taken[0])

    def close(self) -> None:
        """Free it, and let go of the file; closing twice does nothing."""
        if self._resolver != ffi.NULL:
            lib.hak_resolver_free(self._resolver)
            self._resolver = ffi.NULL
            self._head.close()
