"""`replay_plan.h` and `replay_compile.h`: plans read, and compiled from the events of a trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from workbench.bindings.native import decode_text, ffi, lib, point_at, read_fields

if TYPE_CHECKING:
    import numpy.typing as npt

#: The arrays of struct replay_events.
EVENT_COLUMNS = ("kind", "thread", "object_id", "size_bytes", "alignment_bytes", "time_ns")


def read_header(descriptor: int) -> dict[str, Any] | None:
    """Read what an open plan says (struct replay_header); None if it is damaged or of another version."""
    header = ffi.new("struct replay_header *")
    return None if lib.replay_read_header(descriptor, header, _new_error()) else read_fields(header)


def is_plan_sound(descriptor: int) -> bool:
    """Compare all of an open plan with its checksums."""
    return bool(lib.replay_check_plan(descriptor, _new_error()) == 0)


class Compiler:
    """Compiles events into a plan. A context manager that frees what it holds.

    Parameters
    ----------
    descriptor : int
        The plan's file, open to write.
    """

    def __init__(self, descriptor: int) -> None:
        self._compiler = lib.replay_compiler_new(descriptor)
        if self._compiler == ffi.NULL:
            raise MemoryError
        self._error = _new_error()

    def add(self, count: int, columns: Mapping[str, npt.NDArray[Any]]) -> str:
        """Add events, as contiguous arrays; returns what is wrong with them, empty if nothing is."""
        events = ffi.new("struct replay_events *", {"count": count})
        point_at(events, columns)
        return self._explain(lib.replay_compiler_add(self._compiler, events, self._error))

    def finish(self, trace_checksum: str) -> str:
        """Write the rest; returns why that is not possible, empty if it is done."""
        return self._explain(lib.replay_compiler_finish(self._compiler, trace_checksum.encode(), self._error))

    def _explain(self, code: int) -> str:
        return decode_text(self._error) if code != 0 else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        lib.replay_compiler_free(self._compiler)


def _new_error() -> Any:
    return ffi.new("char[]", lib.REPLAY_ERROR_BYTES)
