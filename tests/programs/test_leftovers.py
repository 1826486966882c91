"""A program that ended leaves no control block behind, however it and its children chose to end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.programs.redis_server import CAP_S
from workbench.control import find_blocks
from workbench.processes import preload_environment
from workbench.processes.allocators import run_environment

# Says the process ids of its children, then its own.
FORKING = """
import os, sys
for end in (os._exit, sys.exit):
    child = os.fork()
    if child == 0:
        end(0)
    os.waitpid(child, 0)
    print(child)
print(os.getpid(), flush=True)
"""


@pytest.mark.parametrize("last", ["sys.exit()", "os._exit(0)", "os.execv('/bin/true', ['true'])"])
def test_no_block_is_left(last: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING + last],
        env=preload_environment({}, run_environment(None)),
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=True,
    )
    ended = {int(line) for line in done.stdout.splitlines()}
    assert len(ended) == 3
    assert ended.isdisjoint(info.pid for info in find_blocks(include_dead=True))


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
        process.communicate("\n", timeout=CAP_S)
    assert process.returncode == 0
