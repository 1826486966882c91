"""Groups: who belongs to one, a set that reaches all of it, and children that begin with its settings."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment
from workbench.control import ControlBlock, Value, find_blocks
from workbench.errors import BadParameter
from workbench.processes.group import GROUP_VARIABLE, parse_group
from workbench.processes.group_block import GroupBlock

CAP_S = 120
# Forks a worker for each line of input, and tells its pid; workers wait for the end of their parent.
SERVER = """
import os, sys
print(os.getpid(), flush=True)
end, held = os.pipe()
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        os.close(held)
        blocks = [bytearray(100) for _ in range(20000)]
        os.read(end, 1)
        os._exit(0)
    print(pid, flush=True)
"""


@contextmanager
def run_server(
    allocator: str = "hakmem", program: str = SERVER, **variables: str
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=run_environment(get_allocator(allocator).library) | {"PYTHONMALLOC": "malloc"} | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        yield process
        process.communicate(timeout=CAP_S)


def fork_worker(server: subprocess.Popen[str]) -> int:
    assert server.stdin is not None
    assert server.stdout is not None
    print(file=server.stdin, flush=True)
    return int(server.stdout.readline())


def await_value(pid: int, name: str, value: Value) -> None:
    end_s = time.monotonic() + CAP_S
    found: object = None
    while time.monotonic() < end_s:
        if find_blocks(pid=pid):
            with ControlBlock.open(pid) as block:
                found = block.requested().values[name]
            if found == value:
                return
        time.sleep(0.01)
    pytest.fail(f"{name} of {pid} is {found}")


def test_a_set_reaches_a_parent_and_its_children_and_they_pass_it_on() -> None:
    with run_server() as server:
        workers = [fork_worker(server) for _ in range(3)]
        for pid in workers:
            await_value(pid, "tls.grow_percent", 80)
        with GroupBlock(f"parent:{server.pid}") as block:
            assert block.pids == block.group.pids() == sorted([server.pid, *workers])
            block.set({"tls.grow_percent": "61 %"})
        for pid in [server.pid, *workers, fork_worker(server)]:
            await_value(pid, "tls.grow_percent", 61)


def test_what_starts_in_a_named_group_begins_with_its_settings(named: Path) -> None:
    group = parse_group(f"group:{named.name}")
    with ExitStack() as stack:
        first = stack.enter_context(run_server(**{GROUP_VARIABLE: str(named)}))
        stranger = stack.enter_context(run_server())
        block = stack.enter_context(GroupBlock(group))
        block.set({"tls.grow_percent": 61, "big.policy": "lfu"})
        block.set({"tls.max_slots": 512})
        second = stack.enter_context(run_server(**{GROUP_VARIABLE: str(named)}))
        assert group.pids() == sorted([first.pid, second.pid])
        for pid in (first.pid, second.pid, fork_worker(second)):
            await_value(pid, "tls.max_slots", 512)
            await_value(pid, "tls.grow_percent", 61)
            await_value(pid, "big.policy", "lfu")
        await_value(stranger.pid, "tls.grow_percent", 80)


@pytest.mark.parametrize(
    "text",
    ["", "no lines", "tls.grow_percent=\ntls.grow_percent=x\ntls.grow_percent=1000\n=5\n", "x" * 9000 + "\n"],
)
def test_a_wrong_file_of_a_group_changes_nothing(named: Path, text: str) -> None:
    named.parent.mkdir(parents=True, exist_ok=True)
    named.write_text(text + "tls.max_slots=512\n" if text.endswith("\n") else text)
    named.chmod(0o600)
    with run_server(**{GROUP_VARIABLE: str(named)}) as server:
        await_value(server.pid, "tls.grow_percent", 80)
        await_value(server.pid, "tls.max_slots", 512 if text.endswith("\n") else 2048)


def test_a_file_that_others_may_write_a_link_and_a_pipe_are_not_read(named: Path, tmp_path: Path) -> None:
    named.parent.mkdir(parents=True, exist_ok=True)
    named.write_text("tls.max_slots=512\n")
    named.chmod(0o666)
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(named)
    os.mkfifo(pipe)
    for path in (named, link, pipe, tmp_path / "missing"):
        with run_server(**{GROUP_VARIABLE: str(path)}) as server:
            await_value(server.pid, "tls.max_slots", 2048)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("postgres", "there is parent, command"),
        ("commands:postgres", "did you mean 'command'"),
        ("command:", "a value is missing"),
        ("command:(", "no regular expression"),
        ("parent:postgres", "is no pid"),
        ("user:nobody-of-that-name", "there is no user"),
        ("group:../x", "letters, digits"),
    ],
)
def test_wrong_groups_are_refused(text: str, wrong: str) -> None:
    with pytest.raises(BadParameter, match=wrong):
        parse_group(text)


def test_selectors_find_this_program() -> None:
    with run_server() as server:
        cgroup = Path(f"/proc/{server.pid}/cgroup").read_text().splitlines()[0].split(":", 2)[2]
        for text in (f"command:^{sys.executable} -c", f"user:{os.getuid()}", f"cgroup:{cgroup}"):
            assert server.pid in parse_group(text).pids(), text
        assert server.pid not in parse_group("container:0123456789ab").pids()
