"""Programs that change their user, groups and capabilities: the agent hinders none, and keeps no rights."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.agents.conftest import CAP_S, Evaluator, agent_environment, run_evaluator, wait_for
from tests.agents.test_life import run_life
from workbench.allocators import run_environment
from workbench.control import ControlBlock, block_directory, find_blocks

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop")
NOBODY = 65534
NEW_PID_NAMESPACE = 0x20000000
TELL = ("sh", "-c", "id; grep -E '^(Cap|NoNewPrivs)' /proc/self/status")

# A program's own words for what setpriv and capsh do: capabilities of the version that takes two halves.
CAPABILITIES = """
import os
def keep(capabilities):
    halves = [capabilities & 0xffffffff] * 2 + [0] + [capabilities >> 32] * 2 + [0]
    library.prctl(8, 1, 0, 0, 0)
    return library.capset((ctypes.c_uint * 2)(0x20080522, 0), (ctypes.c_uint * 6)(*halves))
"""
SET_UID_AND_GID = 1 << 6 | 1 << 7


def rights(pid: int) -> list[tuple[str, ...]]:
    """Those of each thread that is no zombie."""
    names = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    return [
        tuple(line for line in (task / "status").read_text().splitlines() if line.split(":")[0] in names)
        for task in Path(f"/proc/{pid}/task").iterdir()
    ]


def has_adopted(block: ControlBlock, generation: int) -> bool:
    return block.effective().generation == generation


def assert_all_have_the_same(program: Evaluator) -> None:
    first, second = rights(program.pid)
    assert first == second


@ROOT_ONLY
@pytest.mark.parametrize(
    "command",
    [
        ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
        ("setpriv", "--reuid=65534", "--regid=65534", "--groups=4,5", "--bounding-set=-all",
         "--no-new-privs"),
        ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"),
        ("capsh", "--keep=1", "--user=nobody", "--caps=cap_net_raw,cap_setuid+eip", "--addamb=cap_net_raw",
         "--shell=/usr/bin/env", "--"),
        ("runuser", "-u", "nobody", "--"),
    ],
    ids=lambda command: " ".join(command[:2]),
)  # fmt: skip
def test_a_program_gets_the_rights_that_it_gets_alone(command: tuple[str, ...]) -> None:
    def run(environment: dict[str, str]) -> str:
        path = environment | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        done = subprocess.run(
            [*command, *TELL], env=path, capture_output=True, text=True, timeout=CAP_S, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    assert run(agent_environment()) == run(run_environment(None))


@ROOT_ONLY
def test_its_thread_has_the_rights_of_the_program_s_and_serves_on() -> None:
    with run_evaluator("glibc", "glibc") as program, program.open() as block:
        program.tell(f"exec({CAPABILITIES!r}, globals())")
        program.tell(f"os.setresuid({NOBODY}, {NOBODY}, 0) or keep({SET_UID_AND_GID})")
        # The main thread has these two rights again, which a thread that only follows would not.
        for line in (f"os.setresgid({NOBODY}, {NOBODY}, {NOBODY})", "os.setgroups([4, 5])"):
            assert program.tell(line) == "None"
            assert_all_have_the_same(program)
        assert program.tell("keep(0)") == "0"
        assert_all_have_the_same(program)
        assert program.tell(f"os.setresuid({NOBODY}, {NOBODY}, {NOBODY})") == "None"
        assert_all_have_the_same(program)
        # The file is still that of who started the program.
        assert [info.path.parent for info in find_blocks(program.pid)] == [block_directory()]
        block.set({"M_MXFAST": 64})
        wait_for(lambda: block.effective().values["M_MXFAST"] == 64)


def test_a_set_is_not_lost_while_rights_change() -> None:
    with run_evaluator("glibc", "glibc") as program, program.open() as block:
        assert program.process.stdin is not None
        program.process.stdin.write(f"[library.setegid({os.getegid()}) for _ in range(300)].count(0)\n")
        program.process.stdin.flush()
        for size in range(16, 128, 16):
            generation = block.set({"M_MXFAST": size})
            wait_for(partial(has_adopted, block, generation))
            assert block.effective().values["M_MXFAST"] == size
        assert program.readline() == "300"
        assert len(rights(program.pid)) == 2


@ROOT_ONLY
def test_a_worker_that_becomes_another_user_has_a_block(life: Path) -> None:
    def find_files() -> list[Path]:
        # It belongs to who the worker was when it was made, a moment after the worker's start.
        folders = (block_directory(), block_directory(NOBODY))
        return [path for folder in folders for path in folder.glob(f"{pid}.*.glibc")]

    with run_life(life, "worker") as (parent, pid):
        assert pid != parent.pid
        wait_for(lambda: len(find_files()) == 1)
        (path,) = find_files()
        with ControlBlock.open(path) as block:
            block.set({"M_MXFAST": 64})
            wait_for(lambda: block.effective().values["M_MXFAST"] == 64)
        first, second = rights(pid)
        assert first == second
        assert f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}" in first
    path.unlink(missing_ok=True)  # nothing of that user's will clear it away


@ROOT_ONLY
def test_a_program_that_may_have_no_thread_any_more_has_no_block() -> None:
    with run_evaluator("glibc", "glibc") as program:
        assert [info.pid for info in find_blocks(program.pid)] == [program.pid]
        assert program.tell(f"library.unshare({NEW_PID_NAMESPACE})") == "0"
        assert program.tell("library.setuid(0)") == "0"
        assert find_blocks(program.pid) == []
        assert len(rights(program.pid)) == 1
