"""The C reader with the life of a Python object: it may be closed while other threads still use it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from workbench.control.native import decode_text, ffi, lib, make_error
from workbench.errors import WorkbenchError

_ACCESS = {0: "off", 1: "read", 2: "write"}


class Reader:
    """An open control block at the level of the C reader.

    Parameters
    ----------
    path : str or path
        File of the block.

    Raises
    ------
    NoProcess, NotPermitted, WrongAbi, DamagedBlock
        If there is no block to read.
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
        self.access = _ACCESS.get(int(header.access), "off")

    def call(self, function: Any, *arguments: Any) -> int:
        """Call a C function that takes the reader first and the error text last.

        Returns
        -------
        int
            What the function returned, not negative.

        Raises
        ------
        WorkbenchError
            The C function's error.
        """
        code, error = self.try_call(function, *arguments)
        if code < 0:
            raise make_error(code, error)
        return code

    def try_call(self, function: Any, *arguments: Any) -> tuple[int, Any]:
        """As `call`, but return the code and the error text."""
        error = ffi.new("char[]", lib.HAK_ERROR_TEXT_BYTES)
        with self._use() as reader:
            return int(function(reader, *arguments, error)), error

    def read_record(self, function: Any, structure: str, index: int) -> Any:
        """Read one descriptor; None beyond the last."""
        record = ffi.new(f"struct {structure} *")
        code, error = self.try_call(function, index, record)
        if code == lib.HAK_ERROR_UNKNOWN:
            return None
        if code < 0:
            raise make_error(code, error)
        return record

    def close(self) -> None:
        """Close it once the calls under way have returned; closing twice does nothing."""
        with self._lock:
            was_open, self._is_open = self._is_open, False
            if was_open and self._users == 0:
                lib.hak_reader_close(self._reader)

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
