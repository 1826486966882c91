"""Traces of programs that never ran: events one by one, written as a recorder would."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from workbench.traces import CallKind, TraceChunk, TraceWriter


class Script:
    """Events in their order; objects are numbered as they are allocated, and time goes on."""

    def __init__(self, step_ns: int = 2000) -> None:
        self.rows: list[tuple[int, int, int, int, int, int]] = []
        self.live: dict[int, int] = {}
        self.step_ns = step_ns
        self.time_ns = 0
        self._next = 0

    def _add(self, kind: CallKind, thread: int, item: int, size: int = 0, alignment: int = 0) -> None:
        self.time_ns += self.step_ns
        self.rows.append((int(kind), thread, item, size, alignment, self.time_ns))

    def start(self, thread: int) -> None:
        """A thread begins."""
        self._add(CallKind.THREAD_START, thread, 0)

    def end(self, thread: int) -> None:
        """A thread ends."""
        self._add(CallKind.THREAD_END, thread, 0)

    def allocate(self, thread: int, size: int, kind: CallKind = CallKind.MALLOC, alignment: int = 0) -> int:
        """A new object; gives its number."""
        item = self._next
        self._next += 1
        self.live[item] = size
        self._add(kind, thread, item, size, alignment)
        return item

    def resize(self, thread: int, item: int, size: int) -> None:
        """A realloc."""
        self.live[item] = size
        self._add(CallKind.REALLOC, thread, item, size)

    def free(self, thread: int, item: int) -> None:
        """A free."""
        del self.live[item]
        self._add(CallKind.FREE, thread, item)

    def to_chunks(self, length: int = 1000) -> Iterable[TraceChunk]:
        """The events as a trace has them."""
        for first in range(0, len(self.rows), length):
            kind, thread, item, size, alignment, time_ns = zip(
                *self.rows[first : first + length], strict=True
            )
            yield TraceChunk.of(
                kind,
                thread=thread,
                object_id=item,
                size_bytes=size,
                alignment_bytes=alignment,
                time_ns=time_ns,
            )


def write(path: Path, script: Script) -> Path:
    """Write a trace file."""
    with TraceWriter.open(path, program=path.stem, level=1, chunk_events=1000) as writer:
        for chunk in script.to_chunks():
            writer.append(chunk)
    return path


def mixed(events: int, seed: int, threads: int = 1) -> Script:
    """Random calls of every kind by random threads, on random objects that live."""
    random_numbers = random.Random(seed)
    script = Script()
    for thread in range(1, threads):
        script.start(thread)
    items: list[int] = []
    while len(script.rows) < events:
        thread = random_numbers.randrange(threads)
        choice = random_numbers.random()
        size = random_numbers.choice([0, 1, 8, 24, 100, 500, 2000, 40_000, 300_000])
        if items and choice < 0.45:
            index = random_numbers.randrange(len(items))
            items[index], items[-1] = items[-1], items[index]
            script.free(thread, items.pop())
        elif items and choice < 0.55:
            script.resize(thread, random_numbers.choice(items), max(1, size))
        elif choice < 0.6:
            items.append(
                script.allocate(thread, max(1, size), CallKind.ALIGNED, 1 << random_numbers.randrange(13))
            )
        else:
            kind = CallKind.CALLOC if choice < 0.7 else CallKind.MALLOC
            items.append(script.allocate(thread, size, kind))
    return script


def pipeline(generations: int, consumers: int, blocks: int) -> Script:
    """A producer; all its blocks are freed by consumers, new threads in every generation."""
    script = Script()
    thread = 0
    for _ in range(generations):
        crew = [thread + 1 + index for index in range(consumers)]
        thread = crew[-1]
        for member in crew:
            script.start(member)
        waiting: list[int] = []
        for number in range(blocks):
            waiting.append(script.allocate(0, 16 + number % 700))
            if number % 3 == 2:  # in batches, the last one first
                for item in reversed(waiting):
                    script.free(crew[number % consumers], item)
                waiting.clear()
        for item in waiting:
            script.free(crew[0], item)
        for member in crew:
            script.end(member)
    return script
