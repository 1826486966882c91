"""`hak_reader.h`: an open control block. It may be closed while other threads still use it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from workbench.bindings.native import decode_text, ffi, lib, make_error, read_fields
from workbench.errors import WorkbenchError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Where a control block's header names the PID namespace of its process.
PID_NAMESPACE_OFFSET: int = ffi.offsetof("struct hak_header", "pid_namespace")
#: The type of a tunable that is an action, and the flag of one that cannot be read.
TUNABLE_ACTION: int = lib.HAK_TYPE_ACTION
TUNABLE_WRITE_ONLY: int = lib.HAK_TUNABLE_WRITE_ONLY
_ACCESS = {0: "off", 1: "read", 2: "write"}


def _sample_type() -> np.dtype[np.void]:
    """Struct hak_sample as a type of NumPy."""
    import numpy as np

    kinds = {"uint64_t": "u8", "uint32_t": "u4", "uint64_t[33]": "33u8"}
    fields = ffi.typeof("struct hak_sample").fields
    return np.dtype(
        {
            "names": [name for name, _ in fields],
            "formats": [kinds[field.type.cname] for _, field in fields],
            "offsets": [field.offset for _, field in fields],
            "itemsize": ffi.sizeof("struct hak_sample"),
        }
    )


class Reader:
    """An open control block at the level of the C reader. All methods raise the C function's error.

    NoProcess, NotPermitted, WrongAbi or DamagedBlock if the file is no control block that can be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._is_open = False
        memory = lib.reader_new()
        if memory == ffi.NULL:
            raise MemoryError("no memory for a reader")
        self._reader = ffi.gc(memory, lib.reader_free)
        error = ffi.new("char[]", lib.HAK_ERROR_TEXT_BYTES)
        code = lib.hak_reader_open(self._reader, os.fsencode(path), error)
        if code < 0:
            raise make_error(code, error)
        self._is_open = True
        header = self._reader.header
        self.pid = int(header.pid)
        self.pid_namespace = int(header.pid_namespace)
        self.start_ticks = int(header.start_ticks)
        self.created_ns = int(header.created_ns)
        self.kind = decode_text(header.kind)
        self.build = decode_text(header.build)
        self.command = decode_text(header.command)
        self.serves_malloc = bool(header.flags & lib.HAK_BLOCK_SERVES_MALLOC)
        self.access = _ACCESS.get(int(header.access), "off")

    def describe(self, what: str) -> list[dict[str, Any]]:
        """Read all descriptors of a kind, in the control block's order, by the fields of their structure.

        The kind is the name of a structure of `hak_block.h` without ``hak_``, such as "tunable". Text is read
        as str, arrays as tuples.
        """
        function = getattr(lib, f"hak_reader_{what}")
        record = ffi.new(f"struct hak_{what} *")
        found: list[dict[str, Any]] = []
        while True:
            code, error = self._try(function, len(found), record)
            if code == lib.HAK_ERROR_UNKNOWN:  # beyond the last
                return found
            if code < 0:
                raise make_error(code, error)
            found.append(read_fields(record))

    @property
    def is_open(self) -> bool:
        """Whether nobody has closed it."""
        return self._is_open

    def check_alive(self) -> None:
        """Raise NoProcess unless the process runs and still publishes the control block."""
        self._call(lib.hak_reader_alive)

    def is_alive(self) -> bool:
        """Whether the process runs and still publishes the control block."""
        return self._try(lib.hak_reader_alive)[0] == 0

    def requested(self, count: int) -> tuple[list[float], int]:
        """Read the first values that were set last, and their generation."""
        return self._read_values(lib.hak_reader_requested, count)

    def effective(self, count: int) -> tuple[list[float], int]:
        """Read the first values that the process acts on, and their generation."""
        return self._read_values(lib.hak_reader_effective, count)

    def setter(self, generation: int) -> int:
        """Pid of the process that set a generation, if no other was set since; else 0."""
        return self._call(lib.hak_reader_setter, generation)

    def set(self, indices: Sequence[int], values: Sequence[float]) -> int:
        """Set tunables by number; returns the new generation."""
        generation = ffi.new("uint64_t *")
        self._call(lib.hak_reader_set, indices, values, len(values), generation)
        return int(generation[0])

    def check(self, indices: Sequence[int], values: Sequence[float]) -> None:
        """Check values as `set` would, and accept those that take effect at start."""
        self._call(lib.hak_reader_check, indices, values, len(values))

    def take_lease(
        self,
        indices: Sequence[int],
        back: Sequence[float],
        held: Sequence[float],
        number: int,
        length_s: float,
    ) -> None:
        """Hold a lease: tunables that have their `held` values go back unless it is renewed in time."""
        length_ms = round(length_s * 1000)
        self._call(lib.hak_reader_take_lease, indices, back, held, len(indices), number, length_ms)

    def renew_lease(self, number: int, length_s: float) -> None:
        """Renew the lease of that number for so long from now."""
        self._call(lib.hak_reader_renew_lease, number, round(length_s * 1000))

    def end_lease(self, number: int) -> None:
        """End the lease of that number; the tunables keep their values."""
        self._call(lib.hak_reader_end_lease, number)

    def snapshot(
        self, counts: npt.NDArray[np.uint32], axes: int, words: npt.NDArray[np.int64]
    ) -> tuple[int | None, int, int]:
        """Read the rows in use of the axes, and all words.

        Returns how many words there are, or None and how many there would be if there is no room for them;
        and CLOCK_MONOTONIC in nanoseconds.
        """
        needed, time_ns = ffi.new("uint64_t *"), ffi.new("uint64_t *")
        code, error = self._try(
            lib.hak_reader_snapshot,
            ffi.from_buffer("uint32_t[]", counts, require_writable=True),
            axes,
            ffi.cast("uint64_t *", ffi.from_buffer(words, require_writable=True)),
            len(words),
            needed,
            time_ns,
        )
        if code < 0 and code != lib.HAK_ERROR_BUFFER:
            raise make_error(code, error)
        return (code if code >= 0 else None), int(needed[0]), int(time_ns[0])

    def events(self, cursor: int, records: npt.NDArray[np.void]) -> tuple[int, int, int]:
        """Read events from a cursor on into an array of struct hak_event.

        Returns how many, the next cursor, and how many were overwritten before they were read.
        """
        position, lost = ffi.new("uint64_t *", cursor), ffi.new("uint64_t *", 0)
        array = ffi.cast("struct hak_event *", ffi.from_buffer(records, require_writable=True))
        count = self._call(lib.hak_reader_events, position, array, len(records), lost)
        return count, int(position[0]), int(lost[0])

    def samples(self) -> tuple[npt.NDArray[np.void], list[bytes], dict[str, int]]:
        """Read the samples of a block of that kind.

        Returns them by the fields of struct hak_sample, the copies of their stacks, and their head.
        """
        import numpy as np

        size = ffi.sizeof("struct hak_sample")
        memory = np.empty(lib.HAK_SAMPLE_SLOTS * size + 64, np.uint8)
        memory = memory[-memory.ctypes.data % 64 :][: lib.HAK_SAMPLE_SLOTS * size]
        stacks = np.empty(lib.HAK_SAMPLE_PIECES * lib.HAK_SAMPLE_PIECE_BYTES, np.uint8)
        head = ffi.new("struct hak_samples *")
        target = ffi.cast("struct hak_sample *", ffi.from_buffer(memory, require_writable=True))
        room = ffi.from_buffer(stacks, require_writable=True)
        count = self._call(lib.hak_reader_samples, head, target, lib.HAK_SAMPLE_SLOTS, room, len(stacks))
        rows = memory[: count * size].view(_sample_type())
        ends = np.cumsum(rows["stack_bytes"], dtype=np.int64)
        copies = [part.tobytes() for part in np.split(stacks, ends)[:-1]]
        return rows, copies, read_fields(head)

    def close(self) -> None:
        """Close it once the calls under way have returned; closing twice does nothing."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
            if was_open and self._users == 0:
                lib.hak_reader_close(self._reader)

    # ---- calls ----

    def _read_values(self, function: Callable[..., int], count: int) -> tuple[list[float], int]:
        words, generation = ffi.new("double[]", max(count, 1)), ffi.new("uint64_t *")
        self._call(function, words, count, generation)
        return list(words)[:count], int(generation[0])

    def _call(self, function: Callable[..., int], *arguments: Any) -> int:
        """Call a C function that takes the reader first and the error text last."""
        code, error = self._try(function, *arguments)
        if code < 0:
            raise make_error(code, error)
        return code

    def _try(self, function: Callable[..., int], *arguments: Any) -> tuple[int, Any]:
        error = ffi.new("char[]", lib.HAK_ERROR_TEXT_BYTES)
        with self._use() as reader:
            return int(function(reader, *arguments, error)), error

    @contextmanager
    def _use(self) -> Iterator[Any]:
        with self._lock:
            if not self._is_open:
                raise WorkbenchError(f"the control block of process {self.pid} is closed: open it again")
            self._users += 1
        try:
            yield self._reader
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0 and not self._is_open:
                    lib.hak_reader_close(self._reader)

    def __del__(self) -> None:
        if getattr(self, "_is_open", False):
            self.close()
