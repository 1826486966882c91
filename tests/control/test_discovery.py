"""Finding blocks, telling the living from the dead, and clearing up."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.control.publisher import publish_pond
from workbench.control import ControlBlock, block_directory, find_blocks, sweep_dead_blocks
from workbench.control.testing import MadeUpBlock
from workbench.errors import NoProcess, WorkbenchError


def test_a_block_of_this_process_is_found(pond: MadeUpBlock) -> None:
    (info,) = find_blocks(pid=os.getpid(), kind="pond")
    assert info.path == pond.path
    assert info.path.parent == block_directory()
    assert (info.pid, info.kind, info.build, info.access, info.alive) == (
        os.getpid(), "pond", "made up", "write", True,
    )  # fmt: skip
    assert Path(sys.executable).name in info.command
    assert info in find_blocks()
    assert find_blocks(pid=os.getpid(), kind="lake") == []


def test_a_block_opens_by_pid_and_by_path(pond: MadeUpBlock) -> None:
    with ControlBlock.open(os.getpid(), kind="pond") as by_pid, ControlBlock.open(str(pond.path)) as by_path:
        assert by_pid.info == by_path.info
        assert by_pid.set({"pond.depth": 12}) == by_path.requested().generation
        assert f"process {os.getpid()}" in repr(by_pid)


def test_missing_processes_and_blocks_are_told_apart() -> None:
    with pytest.raises(NoProcess, match=f"process {os.getpid()} has no control block of kind 'lake'"):
        ControlBlock.open(os.getpid(), kind="lake")
    with pytest.raises(NoProcess, match="there is no process 2147483000"):
        ControlBlock.open(2147483000)
    with pytest.raises(NoProcess, match="does not exist"):
        ControlBlock.open(block_directory() / "1.1.pond")


def test_a_killed_process_is_seen_dead_and_its_last_words_can_be_read() -> None:
    with publish_pond() as (process, path):
        with ControlBlock.open(process.pid, kind="pond") as block:
            assert block.alive()
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert not block.alive()  # a zombie still
            process.wait()
            assert not block.alive()
            assert not block.info.alive
            assert block.requested().values["pond.depth"] == 4
            with pytest.raises(NoProcess, match=f"process {process.pid} does not run any more"):
                block.set({"pond.depth": 5})
        assert find_blocks(pid=process.pid, kind="pond") == []
        assert [info.path for info in find_blocks(process.pid, "pond", include_dead=True)] == [Path(path)]
        with pytest.raises(NoProcess, match=f"there is no process {process.pid}"):
            ControlBlock.open(process.pid, kind="pond")
        with ControlBlock.open(path) as late:
            assert late.events().cursor == 0
        assert Path(path) in sweep_dead_blocks()
        assert not Path(path).exists()


def test_a_sweep_leaves_the_living_alone(pond: MadeUpBlock) -> None:
    stranger = block_directory() / "not a block"
    stranger.touch()
    unfinished = block_directory() / "2147483000.5.pond.new"
    unfinished.touch()
    try:
        removed = sweep_dead_blocks()
        assert unfinished in removed
        assert pond.path.exists()
        assert stranger.exists()
    finally:
        stranger.unlink()


def test_a_process_that_became_another_program_is_not_listed() -> None:
    with publish_pond() as (process, path):
        assert [str(info.path) for info in find_blocks(pid=process.pid, kind="pond")] == [path]
        assert process.stdin is not None
        process.stdin.write("exec\n")
        process.stdin.flush()
        deadline_s = time.monotonic() + 60
        while find_blocks(pid=process.pid, kind="pond") and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert find_blocks(pid=process.pid, kind="pond") == []


def test_a_second_block_of_a_kind_takes_the_name(pond: MadeUpBlock, block: ControlBlock) -> None:
    from workbench.control.testing import make_block

    with make_block(build="second") as second:
        assert second.path == pond.path
        with second.open() as opened:
            assert opened.info.build == "second"
        assert block.requested().values["pond.depth"] == 4


def test_a_retired_block_is_gone(pond: MadeUpBlock, block: ControlBlock) -> None:
    pond.retire()
    assert not pond.path.exists()
    assert not block.alive()
    assert find_blocks(pid=os.getpid(), kind="pond") == []


def test_a_closed_block_says_so(block: ControlBlock) -> None:
    block.close()
    block.close()
    for call in (block.snapshot, block.requested, block.alive, block.events):
        with pytest.raises(WorkbenchError, match="is closed: open it again"):
            call()
