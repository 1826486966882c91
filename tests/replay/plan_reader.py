"""Reads plans in plain Python, and plays them in any order that their waits allow."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.traces.plan import read_replay_plan

SEGMENT_BYTES = 65536
SEGMENT_HEADER_BYTES = 64
FIRST_SEGMENTS_OFFSET = 64 + 80
MALLOC, CALLOC, ALIGNED, REALLOC, FREE, AWAIT_SLOT, AWAIT_START, SIGNAL_START, HAND_OVER, GAP = range(10)
_OPERATION = np.dtype(
    [("slot", "<u4"), ("delta_us", "<u2"), ("kind", "u1"), ("alignment_log2", "u1"), ("size", "<u8")]
)
_NO_SEGMENT = 2**64 - 1


@dataclass
class Step:
    """An operation of a plan."""

    slot: int
    delta_us: int
    kind: int
    alignment_log2: int
    size: int


def read_lanes(path: Path) -> list[list[Step]]:
    """Operations of every lane."""
    plan = read_replay_plan(path)
    assert plan is not None
    content = path.read_bytes()
    firsts = struct.unpack_from(f"<{plan.lane_count}Q", content, FIRST_SEGMENTS_OFFSET)
    return [list(_read_lane(content, first, lane)) for lane, first in enumerate(firsts)]


def _read_lane(content: bytes, segment: int, lane: int) -> Iterator[Step]:
    while segment != _NO_SEGMENT:
        start = (segment + 1) * SEGMENT_BYTES
        _, segment, owner, count = struct.unpack_from("<QQII", content, start)
        assert owner == lane
        rows = np.frombuffer(content, _OPERATION, count, start + SEGMENT_HEADER_BYTES)
        yield from (Step(*(int(value) for value in row)) for row in rows)


class Player:
    """Runs the lanes of a plan, one operation of a lane chosen at random after the other."""

    def __init__(self, lanes: list[list[Step]], seed: int) -> None:
        self._lanes = lanes
        self._random = random.Random(seed)
        self._at = [0] * len(lanes)
        self._counts: dict[int, int] = {}
        self._starts = [0] * len(lanes)
        self._sizes: dict[int, int] = {}
        self.freed: list[int] = []  # sizes of the objects freed
        self.handed_over = 0
        self.most_live_bytes = 0

    def play(self) -> None:
        """To the end; fails if lanes wait for each other, or an operation finds its slot wrong."""
        going = list(range(len(self._lanes)))
        while going:
            self._random.shuffle(going)
            # Some lane runs far ahead, as far as it may.
            moved = sum(self._run(lane, self._random.choice([1, 3, 10**9])) for lane in going)
            assert moved, f"lanes {going} wait for each other"
            going = [lane for lane in going if self._at[lane] < len(self._lanes[lane])]

    def _run(self, lane: int, most: int) -> int:
        done = 0
        while done < most and self._at[lane] < len(self._lanes[lane]):
            if not self._step(self._lanes[lane][self._at[lane]]):
                break
            self._at[lane] += 1
            done += 1
        return done

    def _step(self, step: Step) -> bool:
        """False: it must wait."""
        count = self._counts.get(step.slot, 0)
        if step.kind == AWAIT_SLOT:
            assert count <= step.size, "somebody went on before the wait was over"
            return count == step.size
        if step.kind == AWAIT_START:
            return self._starts[step.slot] >= step.size
        if step.kind == SIGNAL_START:
            self._starts[step.slot] += 1
        elif step.kind == HAND_OVER:
            self.handed_over += 1
        elif step.kind == FREE:
            assert count % 2 == 1, "a free before its malloc"
            self.freed.append(self._sizes.pop(step.slot))
            self._counts[step.slot] = count + 1
        elif step.kind == REALLOC:
            assert count % 2 == 1, "a realloc before its malloc"
            self._sizes[step.slot] = step.size
            self._counts[step.slot] = count + 2
        elif step.kind <= ALIGNED:
            assert count % 2 == 0, "a malloc into a slot that is taken"
            self._sizes[step.slot] = step.size
            self._counts[step.slot] = count + 1
        self.most_live_bytes = max(self.most_live_bytes, sum(self._sizes.values()) if step.kind < FREE else 0)
        return True
