"""Finding blocks, telling the living from the dead, and clearing up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.control.made_up import MadeUpBlock
from tests.control.publisher import keep_file, publish_pond, sweep_until_gone
from workbench.control import ControlBlock, block_directory, find_blocks, sweep_dead_blocks
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
        with keep_file(Path(path)), ControlBlock.open(process.pid, kind="pond") as block:
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
            with pytest.raises(NoProcess, match=f"there is no process {process.pid}"):
                ControlBlock.open(process.pid, kind="pond")
            with ControlBlock.open(path) as late:
                assert late.events().cursor == 0
        sweep_until_gone(Path(path))


def test_a_sweep_takes_the_dead_alone(pond: MadeUpBlock) -> None:
    """What holds no lock, and is of a version that would hold one."""
    names = ("not a block", "2147483000.6.pond", "2147483000.5.pond", "2147483000.5.4026531836.pond")
    stranger, of_earlier_version, dead, dead_elsewhere = paths = [block_directory() / name for name in names]
    content = pond.path.read_bytes()
    for path in paths:
        path.write_bytes(content)
    of_earlier_version.write_bytes(bytes(4096))
    try:
        sweep_until_gone(dead, dead_elsewhere)
        assert pond.path.exists()
        assert stranger.exists()
        assert of_earlier_version.exists()
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


def test_a_process_that_became_another_program_is_not_listed_and_not_set() -> None:
    with publish_pond() as (process, path), ControlBlock.open(path) as block:
        assert [str(info.path) for info in find_blocks(pid=process.pid, kind="pond")] == [path]
        assert process.stdin is not None
        process.stdin.write("exec\n")
        process.stdin.flush()
        deadline_s = time.monotonic() + 60
        while find_blocks(pid=process.pid, kind="pond") and time.monotonic() < deadline_s:
            time.sleep(0.01)
        assert find_blocks(pid=process.pid, kind="pond") == []
        with pytest.raises(NoProcess, match=rf"process {process.pid} is another program now \(exec\)"):
            block.set({"pond.depth": 5})
        with pytest.raises(NoProcess, match=f"process {process.pid} has no control block of kind 'pond'"):
            ControlBlock.open(process.pid, kind="pond")
        sweep_until_gone(Path(path))


def test_the_lock_of_a_dead_process_is_not_that_of_its_child() -> None:
    """A child of fork maps its parent's block, and holds its lock, until it makes one of its own."""
    program = """
import os
from tests.control.made_up import make_block
made = make_block()
if os.fork() == 0:
    print(made.path, os.getppid(), flush=True)
    os.read(0, 1)
    os._exit(0)
os.wait()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        path, pid = process.stdout.readline().split()
        assert int(pid) == process.pid
        with ControlBlock.open(path) as block:
            assert block.alive()
            process.kill()
            process.wait()
            assert not block.alive()
            with pytest.raises(NoProcess, match=f"process {pid} does not run any more"):
                block.set({"pond.depth": 5})
        assert Path(path) not in sweep_dead_blocks()  # the child may still count in it
        assert find_blocks(int(pid), "pond") == []
        process.communicate("x")
        sweep_until_gone(Path(path))


def test_of_two_live_blocks_of_a_kind_the_second_is_meant(pond: MadeUpBlock, block: ControlBlock) -> None:
    from tests.control.made_up import make_block

    with make_block(build="second") as second:
        assert second.path != pond.path
        with ControlBlock.open(os.getpid(), "pond") as opened:
            assert opened.info.build == "second"
            opened.set({"pond.depth": 9})
        assert [info.path for info in find_blocks(os.getpid(), "pond")] == [second.path]
        assert block.requested().values["pond.depth"] == 4
    with ControlBlock.open(os.getpid(), "pond") as opened:
        assert opened.info.path == pond.path


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
