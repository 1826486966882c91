"""A recorder's spool, read while the program writes it: records resolved to columns of events."""

from __future__ import annotations

import contextlib
import errno
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.bindings.resolver import SEGMENT_RECORDS, MappedFile, Resolver, SpoolTotals
from workbench.errors import WorkbenchError
from workbench.traces.chunk import COLUMN_TYPES, TraceChunk

_RECORD_BYTES = 32
_SEGMENT_BYTES = SEGMENT_RECORDS * _RECORD_BYTES
_HEAD_BYTES = 4096
_FAILURES = struct.Struct("<II")
_FAILURES_NAME = "failures"  # spool.h has the same name


@dataclass(frozen=True)
class SpoolState:
    """What a process image says of itself.

    Parameters
    ----------
    pid, parent_pid : int
        The process and its parent.
    program : str
        Path of its file.
    command : tuple of str
        Program and arguments, as many as fit.
    start_realtime_ns : int
        When its recording began, since 1970.
    next : int
        Records it began to write.
    stopped : int
        The system's error number that ended the recording before the process; 0: none.
    ended : int
        Not 0 if it called exit or _exit.
    """

    pid: int
    parent_pid: int
    program: str
    command: tuple[str, ...]
    start_realtime_ns: int
    next: int
    stopped: int
    ended: int


def make_failures(folder: Path) -> None:
    """Make the file in the spools' folder in which process images count themselves that get no spool."""
    # On a full disk it can be written in place.
    (folder / _FAILURES_NAME).write_bytes(bytes(_FAILURES.size))


def read_failures(folder: Path) -> tuple[int, int]:
    """How many process images got no spool, and the system's error number of the first."""
    try:
        count, error = _FAILURES.unpack((folder / _FAILURES_NAME).read_bytes())
    except (OSError, struct.error):
        return 0, 0
    return int(count), int(error)


class Spool:
    """The spool of one process image, read from its first record on. Segments that are read are deleted.

    Parameters
    ----------
    head : Path
        The file that ends in `.head`.

    Raises
    ------
    WorkbenchError
        If it is no spool's head.
    OSError
        If it cannot be read.
    """

    def __init__(self, head: Path) -> None:
        #: Path of the spool's files without suffix.
        self.stem = head.with_suffix("")
        self._head = MappedFile(head, _HEAD_BYTES, is_writable=True)
        try:
            self._resolver = Resolver(self._head)
        except ValueError as error:
            self._head.close()
            raise WorkbenchError(f"{head}: {error}") from None
        #: Number of the first record that is not read yet.
        self.position = 0
        self._segment: MappedFile | None = None
        self._is_open = True

    def read_state(self) -> SpoolState:
        """Read what the process image says of itself now."""
        record, program, command = self._resolver.read_state()
        words = command.decode("utf-8", "replace").rstrip("\0").split("\0")
        return SpoolState(
            **record._asdict(),
            program=program.decode("utf-8", "replace"),
            command=tuple(words) if command else (),
        )

    def read_totals(self) -> SpoolTotals:
        """What the records read so far come to."""
        return self._resolver.read_totals()

    def stop(self) -> None:
        """Have the process record no more, at the next segment it would make."""
        self._resolver.stop()

    def read(self, *, is_final: bool = False) -> tuple[TraceChunk, list[tuple[int, int]]] | None:
        """Read on, at most to the end of a segment.

        Parameters
        ----------
        is_final : bool
            Nobody writes any more: records that are not whole are lost, and passed over.

        Returns
        -------
        chunk : TraceChunk
            Call sites are numbered in the order of `new_sites` over all calls.
        new_sites : list of (int, int)
            Return address, and the number of copies of the maps that there were when it was first seen.

        None if there is nothing to read now.

        Raises
        ------
        MemoryError
            If the objects do not fit into memory.
        OSError
            If a segment cannot be read.
        """
        end = self.read_state().next
        segment = self._open_segment(end, is_final=is_final) if self.position < end else None
        if segment is None:
            return None
        path = self._segment_path(self.position // SEGMENT_RECORDS)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_size < _SEGMENT_BYTES:
                raise OSError(errno.EBADMSG, "it was cut short", str(path))
        arrays = _find_arrays()
        first = self.position % SEGMENT_RECORDS
        count = min(end - self.position, SEGMENT_RECORDS - first)
        columns = {name: arrays[name] for name in COLUMN_TYPES}
        addresses, copies = arrays["site_address"], arrays["site_copies"]
        events, sites, taken = self._resolver.run(
            segment, first, count, columns, addresses, copies, is_final=is_final
        )
        self.position += taken
        if not taken:
            return None
        if self.position % SEGMENT_RECORDS == 0:
            self._unmap_segment()
            self._resolver.set_consumed(self.position)
            path.unlink(missing_ok=True)
        chunk = TraceChunk(**{name: column[:events].copy() for name, column in columns.items()})
        return chunk, [(int(addresses[i]), int(copies[i])) for i in range(sites)]

    def close(self) -> None:
        """Let go of the files, and delete them."""
        if self._is_open:
            self._is_open = False
            self._resolver.close()
            self._head.close()
            self._unmap_segment()
            for path in self.stem.parent.glob(f"{self.stem.name}.*"):
                path.unlink(missing_ok=True)

    def _open_segment(self, end: int, *, is_final: bool) -> MappedFile | None:
        if self._segment is None:
            number = self.position // SEGMENT_RECORDS
            try:
                self._segment = MappedFile(self._segment_path(number), _SEGMENT_BYTES, is_writable=False)
            except OSError as error:
                if error.errno not in (errno.ENOENT, errno.EBADMSG):  # the process is just making it
                    raise
                if is_final:  # it could not be made: what was to stand in it is lost
                    lost = min(end, (number + 1) * SEGMENT_RECORDS) - self.position
                    self._resolver.lose(lost)
                    self.position += lost
        return self._segment

    def _unmap_segment(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _segment_path(self, number: int) -> Path:
        return self.stem.with_name(f"{self.stem.name}.{number:08x}")


_of_thread = threading.local()


def _find_arrays() -> dict[str, NDArray[Any]]:
    """Room for the events of one reading, for all spools of a thread: what is read is copied at once."""
    if not hasattr(_of_thread, "arrays"):
        _of_thread.arrays = {name: np.empty(2 * SEGMENT_RECORDS, kind) for name, kind in COLUMN_TYPES.items()}
        _of_thread.arrays["site_address"] = np.empty(SEGMENT_RECORDS, np.uint64)
        _of_thread.arrays["site_copies"] = np.empty(SEGMENT_RECORDS, np.uint32)
    arrays: dict[str, NDArray[Any]] = _of_thread.arrays
    return arrays
