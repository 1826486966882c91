"""`cache_models.h`: what the thread caches of several allocators would do for the events of a trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from workbench.bindings.native import decode_text, ffi, lib, point_at, read_record

if TYPE_CHECKING:
    import numpy.typing as npt


class CacheModelRow(NamedTuple):
    """struct cache_model_row."""

    block_bytes: int
    capacity: int
    is_initial: int
    allocations: int
    frees: int
    refills: int
    flushes: int
    held_blocks: float


class CacheModels:
    """The models of all allocators whose rules are known. A context manager that frees what it holds."""

    def __init__(self) -> None:
        self._models = lib.cache_models_new()
        if self._models == ffi.NULL:
            raise MemoryError

    def add(self, count: int, columns: Mapping[str, npt.NDArray[Any]]) -> None:
        """Give them the next events: `EVENT_COLUMNS` as contiguous arrays."""
        events = ffi.new("struct replay_events *", {"count": count})
        point_at(events, columns)
        if lib.cache_models_add(self._models, events) != 0:
            raise MemoryError

    def rows(self) -> Iterator[tuple[str, CacheModelRow]]:
        """Each allocator's name with what one class and capacity come to so far."""
        out = ffi.new("struct cache_model_row *")
        index = 0
        while (name := lib.cache_model_name(index)) != ffi.NULL:
            row = 0
            while lib.cache_models_read(self._models, index, row, out):
                yield decode_text(name), read_record(out, CacheModelRow)
                row += 1
            index += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        lib.cache_models_free(self._models)
