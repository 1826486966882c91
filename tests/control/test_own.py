"""The allocator inside this process, through the same interface."""

from __future__ import annotations

import os

from workbench.bindings.native import ffi, lib
from workbench.control import ControlBlock, find_blocks


def test_the_own_allocator_describes_itself() -> None:
    with ControlBlock.own() as block:
        assert block.info.pid == os.getpid()
        assert not block.info.serves_malloc
        assert block.info in find_blocks(pid=os.getpid(), kind="hakmem-hak")
        grow = block.tunables["tls.grow_percent"]
        assert (grow.unit, grow.minimum, grow.maximum, grow.default) == ("%", 50, 99, 80)
        assert {"TLS_GROW", "TUNABLE_SET"} <= set(block.event_kinds)
        assert {"tls.capacity", "big.buckets"} <= set(block.metrics)
        snapshot = block.snapshot()
        assert not snapshot.to_frame().empty
        assert not snapshot.to_frame("thread", "class").empty


def test_what_it_serves_is_seen_in_its_block() -> None:
    with ControlBlock.own() as block:
        before = block.snapshot()
        blocks = [lib.hak_malloc(100) for _ in range(20000)]
        assert ffi.NULL not in blocks
        for memory in blocks:
            lib.hak_free(memory)
        after = block.snapshot()
        assert after.fold("tls.allocations") - before.fold("tls.allocations") >= 20000 - 4096
