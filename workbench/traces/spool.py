"""A recorder's spool, read while the program writes it: records resolved to columns of events."""

from __future__ import annotations

import contextlib
import errno
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.bindings.resolver import SEGMENT_RECORDS, MappedFile, Resolver
from workbench.traces.chunk import COLUMN_TYPES, TraceChunk

_RECORD_BYTES = 32
_SEGMENT_BYTES = SEGMENT_RECORDS * _RECORD_BYTES
_FAILURES = struct.Struct("<II")
_FAILURES_NAME = "failures"  # spool.h has the same name


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


class Spool(Resolver):
    """The spool of one process image, read from its first record on. Segments that are read are deleted.

    Made of the file that ends in `.head`.
    """

    def __init__(self, head: Path) -> None:
        super().__init__(head)
        #: Path of the spool's files without suffix.
        self.stem = head.with_suffix("")
        #: Number of the first record that is not read yet.
        self.position = 0
        self._segment: MappedFile | None = None

    def read(self, *, is_final: bool = False) -> tuple[TraceChunk, list[tuple[int, int]]] | None:
        """Read on, at most to the end of a segment; None if there is nothing to read now.

        Returns events, whose call sites are numbered in the order of the new sites over all calls; and the
        new sites, each its return address and the number of copies of the maps that there were when it was
        first seen. With `is_final` nobody writes any more: records that are not whole are lost, and passed
        over. MemoryError if the objects do not fit into memory, OSError if a segment cannot be read.
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
        events, sites, taken = self.run(segment, first, count, columns, addresses, copies, is_final=is_final)
        self.position += taken
        if not taken:
            return None
        if self.position % SEGMENT_RECORDS == 0:
            self._unmap_segment()
            self.set_consumed(self.position)
            path.unlink(missing_ok=True)
        chunk = TraceChunk(**{name: column[:events].copy() for name, column in columns.items()})
        return chunk, [(int(addresses[i]), int(copies[i])) for i in range(sites)]

    def close(self) -> None:
        """Let go of the files, and delete them."""
        super().close()
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
                    self.lose(lost)
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
