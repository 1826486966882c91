"""A made-up trace, and the slow and plain way to count what is in it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from workbench.traces import CallKind, Site, Trace, TraceChunk, TraceWriter

MODULES = ("program", "libc.so.6", "")


@dataclass
class Object:
    """An object of the slow way."""

    size: int
    event: int
    clock_bytes: int
    time_us: int
    thread: int
    site: int


@dataclass
class Counted:
    """What the slow way finds."""

    live_bytes: list[int] = field(default_factory=list)
    requested_bytes: int = 0
    lifetimes: list[tuple[int, int, int, int]] = field(default_factory=list)  # events, bytes, us, size
    frees: int = 0
    cross_thread_frees: int = 0
    sizes: list[int] = field(default_factory=list)
    resizes: list[tuple[int, int]] = field(default_factory=list)
    by_site: dict[int, int] = field(default_factory=dict)
    by_thread: dict[int, int] = field(default_factory=dict)


def make_events(seed: int, count: int, threads: int = 3) -> list[tuple[int, ...]]:
    """Rows of kind, thread, object, size, alignment, site, time in ns. Half way, sizes change."""
    rng = random.Random(seed)
    live: list[int] = []
    objects = 0
    rows: list[tuple[int, ...]] = []
    for index in range(count):
        thread = rng.randrange(threads)
        time_ns = index * 2000
        site = rng.randrange(9)
        size = rng.choice([16, 24, 48]) if index < count // 2 else rng.choice([200, 4096, 20000])
        choice = rng.random()
        if not live or choice < 0.45:
            kind = rng.choice([CallKind.MALLOC, CallKind.MALLOC, CallKind.CALLOC, CallKind.ALIGNED])
            alignment = 64 if kind == CallKind.ALIGNED else 0
            rows.append((kind, thread, objects, size, alignment, site, time_ns))
            live.append(objects)
            objects += 1
        elif choice < 0.55:
            rows.append((CallKind.REALLOC, thread, rng.choice(live), size * 2, 0, site, time_ns))
        else:
            rows.append((CallKind.FREE, thread, live.pop(rng.randrange(len(live))), 0, 0, site, time_ns))
    return rows


def write_trace(path: Path, rows: list[tuple[int, ...]], chunk_events: int = 1000) -> Path:
    """Store rows as a trace."""
    columns = np.array(rows, np.int64).T
    names = ("kind", "thread", "object_id", "size_bytes", "alignment_bytes", "site", "time_ns")
    with TraceWriter.open(path, program="made-up", command=("made-up",), chunk_events=chunk_events) as writer:
        writer.add_sites([Site(MODULES[index % 3], 0x100 * index) for index in range(9)])
        kind, *others = columns
        writer.append(TraceChunk.of(kind, **dict(zip(names[1:], others, strict=True))))
    return path


def open_made_up(folder: Path, seed: int = 1, count: int = 20_000, chunk_events: int = 1000) -> Trace:
    """Make such a trace, and open it."""
    return Trace.open(write_trace(folder / "made-up.haktrace", make_events(seed, count), chunk_events))


def count_slowly(rows: list[tuple[int, ...]]) -> Counted:
    """An object at a time."""
    counted = Counted()
    objects: dict[int, Object] = {}
    live = 0
    for event, (kind, thread, number, size, _, site, time_ns) in enumerate(rows):
        if kind < CallKind.REALLOC:
            counted.requested_bytes += size
            objects[number] = Object(size, event, counted.requested_bytes, time_ns // 1000, thread, site)
            live += size
            counted.sizes.append(size)
            counted.by_site[site] = counted.by_site.get(site, 0) + 1
            counted.by_thread[thread] = counted.by_thread.get(thread, 0) + 1
        elif kind == CallKind.REALLOC:
            known = objects[number]
            counted.requested_bytes += max(0, size - known.size)
            counted.resizes.append((known.size, size))
            live += size - known.size
            known.size = size
        else:
            known = objects.pop(number)
            live -= known.size
            counted.frees += 1
            counted.cross_thread_frees += known.thread != thread
            lived_bytes = counted.requested_bytes - known.clock_bytes
            counted.lifetimes.append(
                (event - known.event, lived_bytes, time_ns // 1000 - known.time_us, known.size)
            )
        counted.live_bytes.append(live)
    return counted
