"""What thread caches of other capacities would do for a trace, under each allocator whose rules are known."""

from __future__ import annotations

from collections.abc import Iterable

from workbench.bindings.cache_models import CacheModels
from workbench.bindings.replay import EVENT_COLUMNS
from workbench.curves import WhatIf, make_curves
from workbench.traces.chunk import TraceChunk
from workbench.traces.metadata import TraceMetadata


def foretell(chunks: Iterable[TraceChunk], told: TraceMetadata, damage: str | None) -> WhatIf:
    """Move the caches of each allocator by the events of a trace, once for each capacity.

    The events pass once, and memory is bounded by live objects and threads. What can
    be read of a damaged trace is told, and the result says so.
    """
    last_ns = 0
    with CacheModels() as models:
        for chunk in chunks:
            models.add(len(chunk), {name: getattr(chunk, name) for name in EVENT_COLUMNS})
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
            )
            for name, row in models.rows()
            if row.capacity and row.allocations + row.frees
        ]
    notes = []
    if damage is not None:
        notes = [f"damaged {damage}: only the {told.event_count} events before that are counted"]
    elif not told.complete:
        notes = [f"the recording was cut short ({told.end}): only its {told.event_count} events are counted"]
    return WhatIf(make_curves(rows), last_ns / 1e9, tuple(notes))
