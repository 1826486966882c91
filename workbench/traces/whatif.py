"""What thread caches of other capacities would do for a trace, under each allocator whose rules are known."""

from __future__ import annotations

import math
from collections.abc import Iterable

from workbench.bindings.big_model import BigModel
from workbench.bindings.cache_models import CacheModels
from workbench.bindings.replay import EVENT_COLUMNS
from workbench.curves import WhatIf, make_curves
from workbench.large_curves import LargePoint, LargeWhatIf, make_surface
from workbench.traces.chunk import TraceChunk
from workbench.traces.metadata import TraceMetadata

_MIB, _KIB_A_MIB = 1 << 20, 1024


def foretell(chunks: Iterable[TraceChunk], told: TraceMetadata, damage: str | None) -> WhatIf:
    """Move the caches of each allocator by the events of a trace, once for each capacity.

    The events pass once, and memory is bounded by live objects and threads. What can
    be read of a damaged trace is told, and the result says so.
    """
    last_ns = 0
    with CacheModels() as models, BigModel() as large_model:
        for chunk in chunks:
            columns = {name: getattr(chunk, name) for name in EVENT_COLUMNS}
            models.add(len(chunk), columns)
            large_model.add(len(chunk), columns)
            last_ns = int(chunk.time_ns[-1])
        rows = [
            (
                name,
                row.block_bytes,
                row.capacity,
                row.refills + row.flushes,
                row.held_blocks * row.block_bytes / 1024,
                bool(row.is_initial),
                True,
                0.0,
            )
            for name, row in models.rows()
            if row.capacity and row.allocations + row.frees
        ]
        large = _foretell_large(large_model, last_ns / 1e9)
    notes = []
    if damage is not None:
        notes = [f"damaged {damage}: only the {told.event_count} events before that are counted"]
    elif not told.complete:
        notes = [f"the recording was cut short ({told.end}): only its {told.event_count} events are counted"]
    return WhatIf(make_curves(rows), last_ns / 1e9, tuple(notes), large)


def _foretell_large(model: BigModel, seconds: float) -> LargeWhatIf | None:
    """What hakmem's BigCache would hit; None if the trace has no large blocks."""
    rows = list(model.rows())
    lookups = rows[0].lookups
    if not lookups:
        return None
    surface = make_surface(
        (row.max_bytes / _MIB, _read_delay(row.delay_ms), row.hits / lookups, row.held_kib / _KIB_A_MIB)
        for row in rows
    )
    (size, max_bytes), (delay, delay_ms) = model.settings.items()
    today = LargePoint(max_bytes / _MIB, _read_delay(delay_ms))
    return LargeWhatIf(surface, float(lookups), seconds, today, model.title, size, delay)


def _read_delay(delay_ms: float) -> float:
    """Milliseconds; a negative value is for ever."""
    return math.inf if delay_ms < 0 else delay_ms
