"""Control blocks of programs that ended: however that was, the next programs and commands remove them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.control.publisher import sweep_until_gone
from tests.programs.redis_server import CAP_S
from workbench.allocators import run_environment
from workbench.control import ControlBlock, block_directory, find_blocks, sweep_dead_blocks
from workbench.processes import preload_environment

# Says the process ids of its children, then its own.
FORKING = """
import os, signal, sys
for end in (os._exit, sys.exit, lambda status: os.kill(os.getpid(), signal.SIGKILL)):
    child = os.fork()
    if child == 0:
        end(0)
    os.waitpid(child, 0)
    print(child)
print(os.getpid(), flush=True)
"""


def list_blocks() -> set[str]:
    return {path.name for path in block_directory().iterdir() if path.name.endswith(".hakmem")}


@pytest.mark.parametrize("last", ["sys.exit()", "os._exit(0)", "os.execv('/bin/true', ['true'])"])
def test_no_block_outlives_its_program_for_long(last: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING + last],
        env=preload_environment({}, run_environment(None)),
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=True,
    )
    ended = {int(line) for line in done.stdout.splitlines()}
    assert len(ended) == 4
    assert ended.isdisjoint(info.pid for info in find_blocks())
    # Programs of other tests remove some of them, too.
    sweep_until_gone(*(path for pid in ended for path in block_directory().glob(f"{pid}.*")))


def test_a_child_that_shares_memory_does_not_end_its_parents_block() -> None:
    # posix_spawn and subprocess use vfork: a command that is not there ends its child by _exit.
    program = "import os, subprocess\ntry: subprocess.run(['/no/such/command'])\nexcept OSError: pass\n"
    program += "print('tried', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=preload_environment({}, run_environment(None)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "tried\n"
        assert [info.kind for info in find_blocks(pid=process.pid)] == ["hakmem"]
        with ControlBlock.open(process.pid) as block:
            assert block.alive()
        process.communicate("\n", timeout=CAP_S)
    assert process.returncode == 0


@pytest.mark.parametrize("leave", ["exit 0", "kill -9 $$"], ids=["exits", "killed"])
def test_programs_one_after_another_leave_a_bounded_number_of_files(leave: str) -> None:
    before = list_blocks()
    subprocess.run(
        ["sh", "-c", f"for i in $(seq 150); do (LD_PRELOAD=$PRELOAD sh -c '{leave}'); done 2>/dev/null"],
        env={**run_environment(None), "PRELOAD": str(preload_library())},
        timeout=CAP_S,
        check=False,
    )
    assert len(list_blocks() - before) <= 64
    sweep_dead_blocks()


def test_the_system_calls_of_a_start_do_not_grow_with_the_files(tmp_path: Path) -> None:
    """Neither with dead blocks in the folder nor with live ones."""

    def count_calls() -> int:
        trace = tmp_path / "trace"
        preload = f"LD_PRELOAD={preload_library()}"
        subprocess.run(
            ["strace", "-o", trace, "-E", preload, "-E", "HAKMEM_CONTROL=write", "/bin/true"],
            check=True,
            timeout=CAP_S,
        )
        return len(re.findall(r"^\w+\(", trace.read_text(), re.MULTILINE))

    few = max(count_calls() for _ in range(3))
    path, content = read_header()
    dead = [path.with_name(f"2147483000.{number}.hakmem") for number in range(300)]
    try:
        for copy in dead:
            copy.write_bytes(content)
        many = max(count_calls() for _ in range(5))
        assert sum(copy.exists() for copy in dead) < len(dead)
    finally:
        for copy in dead:
            copy.unlink(missing_ok=True)
    assert many <= few + MOST_CALLS_OF_A_SWEEP


# Sixteen readings of the folder, eight files looked at by three calls, three more for each of four removed.
MOST_CALLS_OF_A_SWEEP = 16 + 8 * 3 + 4 * 3


def preload_library() -> Path:
    return Path(preload_environment({}, {})["LD_PRELOAD"].split(":")[0])


def read_header() -> tuple[Path, bytes]:
    """Path and header of a block as programs make them."""
    with subprocess.Popen(
        ["cat"],
        env=preload_environment({}, run_environment(None)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"x\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"x\n"
        (info,) = find_blocks(process.pid)
        with info.path.open("rb") as file:
            return info.path, file.read(4096)
