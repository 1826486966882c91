"""The parts of the resident memory are what the program did, and add up to what the system counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

import workbench as wb
from tests.cli.terminal import wait_until
from tests.memory.conftest import Obedient, run_obedient
from tests.workloads.brief import NAMES, make_brief
from workbench.control import DO, ControlBlock
from workbench.memory import MemoryUse
from workbench.memory.use import BIG_CACHED, FREE_IN_SLABS, IDLE, IN_USE, LARGE_FREE, METADATA
from workbench.processes import Worker

MIB = 2**20
MOST_UNEXPLAINED = 0.02


def count_resident(pid: int, name: str = "Rss") -> int:
    """What the system itself adds up, in bytes."""
    found = re.search(rf"^{name}: +(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def read(pid: int) -> tuple[MemoryUse, dict[str, int]]:
    """What a process that waits has resident, and its parts by name.

    They add up to what the system counts, and hardly anything is unexplained.
    """
    before, use = -1, wb.read_memory(pid)
    while before != (before := count_resident(pid)):  # it has just answered, and may not wait yet
        use = wb.read_memory(pid)
    parts = {part.name: part.bytes for part in use.parts}
    assert use.is_read
    assert use.notes == ()
    assert sum(parts.values()) + use.unexplained_bytes == use.resident_bytes == before
    assert all(count >= 0 for count in parts.values())
    assert abs(use.unexplained_bytes) < MOST_UNEXPLAINED * use.resident_bytes
    return use, parts


def test_blocks_are_where_the_program_has_them(program: Obedient) -> None:
    program.do("small, large, big = fill(20_000, 1000), fill(10, 500_000), fill(2, 8_000_000)")
    use, before = read(program.pid)
    (row,) = (one for one in use.classes if one.name == "1024 B")
    assert row.in_use >= 20_000
    assert 20_000 * 1024 <= row.in_use_bytes + row.cached_bytes <= (row.in_use + row.cached) * 1024
    assert before[IN_USE] > 20_000 * 1024 + 10 * 500_000 + 2 * 8_000_000
    assert before[METADATA] > 0
    program.do("free(small[::2]); free(large[:5]); free(big[:1])")
    use, after = read(program.pid)
    (half,) = (one for one in use.classes if one.name == "1024 B")
    assert half.in_use + half.cached + half.free == row.in_use + row.cached + row.free
    assert row.in_use - half.in_use >= 10_000 - half.cached
    assert half.free_bytes > row.free_bytes + 4 * MIB
    assert half.fragmentation > 0.2
    assert after[FREE_IN_SLABS] - before[FREE_IN_SLABS] > 4 * MIB
    assert sum(after[name] - before[name] for name in (LARGE_FREE, BIG_CACHED, IDLE)) >= 0
    assert before[IN_USE] - after[IN_USE] > 5 * 500_000 + 8_000_000 + 4 * MIB


def test_blocks_in_a_threads_cache_are_counted_to_the_block(program: Obedient) -> None:
    def count(use: MemoryUse) -> tuple[int, int]:
        (row,) = (one for one in use.classes if one.name == "1024 B")
        return row.in_use, row.cached

    # A cache that has grown takes 300 frees without a word to anyone.
    program.do("for _ in range(100): free(fill(400, 1000))")
    program.do("blocks = fill(400, 1000)")
    in_use, cached = count(read(program.pid)[0])
    program.do("free(blocks[:300])")
    now_in_use, now_cached = count(read(program.pid)[0])
    assert in_use - now_in_use == pytest.approx(300, abs=10)  # the interpreter itself takes some
    assert now_cached - cached == pytest.approx(300, abs=10)


@pytest.mark.parametrize("choice", ["grown", "always"])
def test_untouched_memory_is_not_resident(choice: str) -> None:
    with run_obedient("--set", f"os.thp={choice}") as program:
        _, before = read(program.pid)
        program.do("unwritten = libc.malloc(100_000_000); read = libc.calloc(1, 50_000_000)")
        program.do("ctypes.string_at(read, 50_000_000)")  # shows the system's pages of zeros everywhere
        _, after = read(program.pid)
    # A huge page that is written to in one place is resident as a whole.
    assert after[IN_USE] - before[IN_USE] < (2 if choice == "grown" else 10) * MIB


@pytest.mark.parametrize("delay_ms", ["-1", "0"])
def test_after_a_burst(delay_ms: str) -> None:
    with run_obedient("--set", f"ss.purge_delay_ms={delay_ms}") as program:
        _, before = read(program.pid)
        program.do("blocks = fill(100_000, 600); kept = blocks[::100]; free(set(blocks) - set(kept))")
        _, after = read(program.pid)
        not_in_use = sum(after[name] - before[name] for name in (FREE_IN_SLABS, IDLE))
        assert after[IN_USE] - before[IN_USE] < 30 * MIB
        if delay_ms == "0":
            return
        assert not_in_use > 30 * MIB
        with ControlBlock.open(program.pid) as block:
            block.set({"ss.purge_delay_ms": 0, "trim": DO})
            program.do("free(fill(20_000, 600))")  # calls of the allocator are what adopts the settings
            wait_until(lambda: block.action_counts()["trim"][1] == 1)
        _, later = read(program.pid)
        assert sum(later[name] - before[name] for name in (FREE_IN_SLABS, IDLE)) < not_in_use / 2


def test_parent_and_child_after_a_fork(program: Obedient) -> None:
    program.do("blocks = fill(20_000, 1000); r, w = os.pipe()")
    child = (
        "(libc.prctl(1, 9), fill(5000, 2000), os.write(w, b'x'), signal.pause())"  # it ends with its parent
    )
    program.do(f"import signal; pid = os.fork() or {child}")
    program.do("os.read(r, 1)")
    (child_pid,) = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    _, parts = read(program.pid)
    _, childs = read(int(child_pid))
    assert parts[IN_USE] > 20_000 * 1024
    assert childs[IN_USE] > parts[IN_USE] + 5000 * 2048 - MIB  # what it shares counts for both
    together = wb.read_memory(f"parent:{program.pid}")
    assert together.resident_bytes == together.unexplained_bytes + sum(part.bytes for part in together.parts)
    assert set(together.pids) == {program.pid, int(child_pid)}


@pytest.mark.parametrize("choice", ["never", "always", "dense"])
def test_huge_pages(choice: str) -> None:
    with run_obedient("--set", f"os.thp={choice}") as program:
        program.do("blocks = fill(30_000, 1000)")
        use, parts = read(program.pid)
        assert parts[IN_USE] > 30_000 * 1000
        assert use.huge_page_bytes is not None
        if choice == "never":
            assert use.huge_page_bytes == 0
        elif "[never]" not in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text():
            assert 0 < use.huge_page_bytes <= count_resident(program.pid, "AnonHugePages")


@contextmanager
def standing_still(workload: str) -> Iterator[int]:
    """The pid of a workload that stands still in the middle."""
    with Worker.start(
        msgspec.structs.replace(make_brief(workload), operations=None, seconds=600.0)
    ) as worker:
        block = worker.workload_block
        wait_until(lambda: block.snapshot().fold("workload.operations") > 1000)
        worker.pause()
        wait_until(lambda: block.effective().values["run.state"] == "paused")
        yield worker.pid


@pytest.mark.parametrize("workload", NAMES)
def test_every_workload_adds_up(workload: str) -> None:
    with standing_still(workload) as pid:
        _, parts = read(pid)
        assert parts[IN_USE] > 0
