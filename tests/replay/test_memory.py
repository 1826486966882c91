"""A trace larger than the memory there is: compiled and replayed piece by piece."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workbench.allocators import RUNNER
from workbench.traces import CallKind, TraceChunk, TraceWriter
from workbench.traces.plan import find_plan

CHUNKS = 100
CHUNK_EVENTS = 40_000
LIMIT_BYTES = 48 * 2**20
SHORT_CHUNKS = 2

COMPILE_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from workbench.traces.plan import find_plan

short, long, limit_bytes = sys.argv[1:]
find_plan(short)  # all that is needed is loaded
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(limit_bytes)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    bytearray(2 * int(limit_bytes))
except MemoryError:
    print(find_plan(long).event_count)
"""


def write(path: Path, chunks: int) -> Path:
    """A trace whose every chunk frees what the one before allocated."""
    half = CHUNK_EVENTS // 2
    with TraceWriter.open(path, program=path.stem, level=1, chunk_events=CHUNK_EVENTS) as writer:
        for number in range(chunks):
            ids = np.arange(number * half, (number + 1) * half)
            is_free = np.arange(CHUNK_EVENTS) % 2 == 1
            has_freed = number > 0
            objects = np.empty(CHUNK_EVENTS, dtype=np.uint64)
            objects[~is_free] = ids
            objects[is_free] = ids - half if has_freed else 0
            chosen = slice(None) if has_freed else ~is_free
            time_ns = (number * CHUNK_EVENTS + np.arange(CHUNK_EVENTS)) * 1000
            writer.append(
                TraceChunk.of(
                    np.where(is_free, int(CallKind.FREE), int(CallKind.MALLOC))[chosen],
                    object_id=objects[chosen],
                    size_bytes=np.where(is_free, 0, 16 + ids.repeat(2) % 100)[chosen],
                    time_ns=time_ns[chosen],
                )
            )
    return path


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A trace whose events, and whose plan, are larger than the limit."""
    return write(tmp_path / "long.haktrace", CHUNKS)


def test_a_trace_larger_than_memory_is_compiled_and_replayed(tmp_path: Path, long: Path) -> None:
    short = write(tmp_path / "short.haktrace", SHORT_CHUNKS)
    command = [sys.executable, "-c", COMPILE_IN_LITTLE_MEMORY, str(short), str(long), str(LIMIT_BYTES)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    events = CHUNKS * CHUNK_EVENTS - CHUNK_EVENTS // 2
    assert (answer.stderr, answer.stdout) == ("", f"{events}\n")
    plan = find_plan(long)  # the one that was made
    assert plan.file_bytes > LIMIT_BYTES * 5 // 4
    command = ["prlimit", f"--as={LIMIT_BYTES}", str(RUNNER), "--workload", "replay", "--seconds", "1000"]
    answer = subprocess.run(
        [*command, "--trace-plan", str(plan.path), "--param", "loops=2"],
        env={"MALLOC_ARENA_MAX": "1"},  # each further arena of glibc reserves 64 MiB of addresses
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["operations"] == 2 * events
