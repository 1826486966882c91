"""Traces made by hand and at random."""

from __future__ import annotations

from hypothesis import strategies as st

from workbench.traces import CallKind, TraceChunk

SMALL = st.integers(0, 200)
NUMBERS = st.one_of(SMALL, st.integers(0, 2**40))


@st.composite
def chunks(draw: st.DrawFn, maximum_events: int = 60) -> TraceChunk:
    """A sound sequence of events."""
    live: list[int] = []
    objects = 0
    time_ns = 0
    rows = []
    for _ in range(draw(st.integers(0, maximum_events))):
        kind = draw(st.sampled_from(CallKind))
        if kind in (CallKind.REALLOC, CallKind.FREE) and not live:
            kind = CallKind.MALLOC
        object_id = size = alignment = site = 0
        time_ns += 1000 * draw(NUMBERS)
        if kind < CallKind.REALLOC:
            object_id, objects = objects, objects + 1
            live.append(object_id)
        elif kind <= CallKind.FREE:
            object_id = draw(st.sampled_from(live))
        if kind == CallKind.FREE:
            live.remove(object_id)
        if kind < CallKind.FREE:
            size = draw(NUMBERS)
        if kind == CallKind.ALIGNED:
            alignment = 1 << draw(st.integers(0, 30))
        if kind <= CallKind.FREE:
            site = draw(SMALL)
        rows.append((kind, draw(SMALL), object_id, size, alignment, site, time_ns))
    if not rows:
        return TraceChunk.of([])
    kinds, threads, object_ids, sizes, alignments, sites, times = (
        list(column) for column in zip(*rows, strict=True)
    )
    return TraceChunk.of(
        kinds,
        thread=threads,
        object_id=object_ids,
        size_bytes=sizes,
        alignment_bytes=alignments,
        site=sites,
        time_ns=times,
    )
