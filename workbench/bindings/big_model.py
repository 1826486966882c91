"""`big_model.h`: what hakmem's cache of large blocks would hit for the events of a trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from workbench.bindings.native import decode_text, ffi, lib, point_at, read_record

if TYPE_CHECKING:
    import numpy.typing as npt


class BigModelRow(NamedTuple):
    """struct big_model_row."""

    max_bytes: int
    delay_ms: int
    lookups: int
    hits: int
    held_kib: float


class BigModel:
    """The model, which obeys the settings of this process. A context manager that frees what it holds."""

    def __init__(self) -> None:
        self._model = lib.big_model_new()
        if self._model == ffi.NULL:
            raise MemoryError

    def add(self, count: int, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Give it the next events: `EVENT_COLUMNS` as contiguous arrays."""
        events = ffi.new("struct replay_events *", {"count": count})
        point_at(events, columns)
        if lib.big_model_add(self._model, events) != 0:
            raise MemoryError

    def rows(self) -> Iterator[BigModelRow]:
        """What each size and delay come to so far, all delays of the smallest size first."""
        out = ffi.new("struct big_model_row *")
        row = 0
        while lib.big_model_read(self._model, row, out):
            yield read_record(out, BigModelRow)
            row += 1

    @property
    def title(self) -> str:
        """What the allocator calls the cache."""
        return decode_text(lib.big_model_name())

    @property
    def settings(self) -> dict[str, float]:
        """By the tunable's name: the most bytes that a cache keeps here, and for how many milliseconds."""
        out = ffi.new("double *")
        return {decode_text(lib.big_model_setting(index, out)): out[0] for index in range(2)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        lib.big_model_free(self._model)
