"""No false sharing: what threads write often shares no cache line with what others read or write.

Fields of structures are asserted by `cache_lines.c`, as a compiler sees them; global words are looked up
in the library that is installed.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from workbench.allocators import get_allocator

CACHE_LINE = 64
SOURCES = {
    "IN_CENTRAL": "allocator/central.c",
    "IN_MAGAZINE": "allocator/magazine.c",
    "IN_BIG_STRIPE": "allocator/big_stripe.c",
    "IN_L25_SHARD": "allocator/l25_shard.c",
    "IN_TLS_CACHE": "allocator/tls_cache.c",
    "IN_WRITER": "block/writer.c",
}
# Read on every call of some slow path, written next to never.
READ_MOSTLY = (
    "settings", "telemetry", "range", "registry_frames", "class_of_slab", "tiny_class_tables",
    "mid_class_table", "root",
    "current_generation", "heap_count", "bucket_count", "placed_by", "shard_count", "os_process_word",
)  # fmt: skip
# Written in a steady state, by any thread.
WRITTEN = (
    "totals",
    "victim_rotor",
    "l25_holders",
    "big_class_stripes",
    "superslab_shared",
    "chunk_lists",
    "frames_lock",
    "registry_lock",
    "rows_lock",
    "log_cursor",
    "log_lock",
    "counted",
    "window_contended",
    "free_chunks",
    "unused_caches",
)
# Arrays whose items belong to different locks.
ARRAYS = ("centrals", "magazines", "big_stripes", "l25_shards", "tls_cache_none")


@cache
def list_symbols() -> Mapping[str, tuple[int, int]]:
    """Start and end of each object of the library; of a name that is there twice, the last."""
    listing = subprocess.run(
        ["nm", "--print-size", str(get_allocator("hakmem").library)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    rows = [line.split() for line in listing.splitlines()]
    return {
        row[3]: (int(row[0], 16), int(row[0], 16) + int(row[1], 16))
        for row in rows
        if len(row) == 4 and row[2] in "bBdD"
    }


def list_lines(name: str) -> set[int]:
    start, end = list_symbols()[name]
    return set(range(start // CACHE_LINE, (end - 1) // CACHE_LINE + 1))


@pytest.mark.parametrize("part", SOURCES)
def test_structures_keep_their_lines(repository: Path, part: str) -> None:
    native = repository / "native"
    folders = [f"-I{native / folder}" for folder in ("include", "tables", "system", "block", "allocator")]
    command = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-DHAK_DEBUG=0", "-fsyntax-only", *folders]
    defined = [f"-D{part}", f'-DSOURCE="{native / SOURCES[part]}"']
    run = subprocess.run(
        [*command, *defined, str(Path(__file__).with_name("cache_lines.c"))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", READ_MOSTLY)
def test_what_all_read_shares_no_line_with_what_is_written(name: str) -> None:
    assert [written for written in WRITTEN if list_lines(name) & list_lines(written)] == []


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_start_on_a_line(name: str) -> None:
    start, end = list_symbols()[name]
    assert (start % CACHE_LINE, end % CACHE_LINE) == (0, 0)


def test_what_every_big_block_counts_has_a_line_of_its_own() -> None:
    others = [name for name in list_symbols() if name != "totals" and list_lines(name) & list_lines("totals")]
    assert others == []
