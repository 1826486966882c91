"""The agent through the life of a process, and what it says where it can do nothing."""

from __future__ import annotations

import errno
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agents.conftest import CAP_S, agent_environment, run_evaluator, wait_for
from workbench.control import ControlBlock, find_blocks


@contextmanager
def run_life(life: Path, what: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The program, and the pid of the process that is ready."""
    with subprocess.Popen(
        [life, what],
        env=agent_environment("glibc", **variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
            rest, _ = process.communicate(timeout=CAP_S)
            assert (process.returncode, rest) == (0, "left\n" if what in ("leave", "late") else "")
        finally:
            process.kill()


VOLUNTARY = "voluntary_ctxt_switches"
ALL = (VOLUNTARY, "nonvoluntary_ctxt_switches")


def count_switches(pid: int, *names: str) -> int:
    """How often the helper has left its processor so far: gone to sleep (voluntary), or been sent away."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text() == "workbench-agent\n":
            lines = (task / "status").read_text().splitlines()
            return sum(int(line.split()[1]) for line in lines if line.split(":")[0] in names)
    raise AssertionError("there is no helper")


def test_the_helper_holds_none_of_the_program_s_files() -> None:
    with run_evaluator("glibc", "glibc") as program:
        with program.open() as block:
            block.act("trim")
        wait_for(lambda: is_asleep(program.pid))
        files = [
            len(list((task / "fd").iterdir())) for task in sorted(Path(f"/proc/{program.pid}/task").iterdir())
        ]
        assert files[0] >= 3
        assert files[1:] == [0]


def is_asleep(pid: int) -> bool:
    states = [
        (task / "stat").read_text().rpartition(")")[2].split()[0]
        for task in Path(f"/proc/{pid}/task").iterdir()
        if (task / "comm").read_text() == "workbench-agent\n"
    ]
    return states == ["S"]


def test_without_a_reader_the_helper_never_runs() -> None:
    with run_evaluator("glibc", "glibc") as program:
        wait_for(lambda: is_asleep(program.pid))
        before = count_switches(program.pid, *ALL)
        program.tell("[bytes(1000) for _ in range(100000)] and None")
        assert count_switches(program.pid, *ALL) == before
        with program.open() as block:
            block.snapshot()
            assert count_switches(program.pid, *ALL) > before
            wait_for(lambda: is_asleep(program.pid))
            before = count_switches(program.pid, VOLUNTARY)
            for _ in range(20):
                block.snapshot()
            wait_for(lambda: is_asleep(program.pid))
            # It wakes once for each look.
            assert before < count_switches(program.pid, VOLUNTARY) <= before + 20


def test_a_snapshot_is_as_new_as_the_look() -> None:
    with run_evaluator("glibc", "glibc") as program, program.open() as block:
        for mib in (4, 32, 64):
            before = block.snapshot().fold("hblkhd")
            program.tell(f"globals().update(kept=bytes({mib} << 20)) or None")
            assert block.snapshot().fold("hblkhd") >= before + (mib - 1 << 20)
            program.tell("globals().pop('kept') and None")
            assert block.snapshot().fold("hblkhd") <= before


def test_a_program_that_is_stopped_shows_what_it_showed_last(life: Path) -> None:
    with run_life(life, "stay") as (process, pid), ControlBlock.open(pid, "glibc") as block:
        before = block.snapshot()
        process.send_signal(signal.SIGSTOP)
        try:
            generation = block.set({"M_MXFAST": 64})
            assert block.snapshot().fold("uordblks_hblkhd") == before.fold("uordblks_hblkhd")
            assert block.effective().generation < generation
        finally:
            process.send_signal(signal.SIGCONT)
        wait_for(lambda: block.effective().generation == generation)


@pytest.mark.parametrize("what", ["stay", "close", "exec", "vfork"])
def test_it_serves_a_program_that(what: str, life: Path) -> None:
    with run_life(life, what) as (_, pid), ControlBlock.open(pid, "glibc") as block:
        block.set({"M_TOP_PAD": 4096})
        assert block.effective().values["M_TOP_PAD"] == 4096
        assert block.adoption().adopted == block.adoption().threads == 1


@pytest.mark.parametrize("what", ["fork", "forkpty", "daemon"])
def test_a_child_has_a_block_of_its_own(what: str, life: Path) -> None:
    with run_life(life, what) as (parent, pid):
        assert pid != parent.pid
        wait_for(lambda: bool(find_blocks(pid, "glibc")))
        with ControlBlock.open(pid, "glibc") as block:
            block.set({"M_MXFAST": 64})
            assert block.effective().values["M_MXFAST"] == 64


@pytest.mark.parametrize("what", ["_Fork", "clone"])
def test_a_child_that_is_made_past_the_c_library_has_none_until_it_asks(what: str, life: Path) -> None:
    with run_life(life, what) as (parent, pid):
        assert pid != parent.pid
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1
        assert find_blocks(pid) == []
        with ControlBlock.open(parent.pid, "glibc") as block:
            block.set({"M_MXFAST": 64})
            assert block.effective().values["M_MXFAST"] == 64


def test_a_call_for_one_thread_works_as_long_as_nobody_asks_for_the_agent(life: Path) -> None:
    with run_life(life, "unshare") as (_, said):
        assert said == -errno.EINVAL
    with run_life(life, "unshare", HAKMEM_AGENT="on-demand") as (process, said):
        assert said == process.pid


def test_a_process_whose_main_thread_left_ends_with_its_last_thread(life: Path) -> None:
    with run_life(life, "leave") as (_, pid), ControlBlock.open(pid, "glibc") as block:
        assert block.snapshot().fold("arena_hblkhd") > 0
    # run_life has waited for its end.


def test_it_ends_also_if_another_thread_started_the_agent(life: Path) -> None:
    with run_life(life, "late", HAKMEM_AGENT="on-demand") as (_, pid), ControlBlock.open(pid) as block:
        assert block.snapshot().fold("arena_hblkhd") > 0


def test_nobody_may_look_if_control_is_off(life: Path) -> None:
    with run_life(life, "stay", HAKMEM_CONTROL="off") as (_, pid):
        assert find_blocks(pid) == []
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) == 1
