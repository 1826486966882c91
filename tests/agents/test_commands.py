"""exec --agent and do: a program under the allocator it has, and its actions, from a terminal."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agents.conftest import EVALUATOR, Evaluator
from tests.cli.terminal import WORKBENCH, assert_refused, run_workbench
from workbench.control import find_blocks


@contextmanager
def start(*options: str, kind: str) -> Iterator[Evaluator]:
    command = [str(WORKBENCH), "exec", *options, "--", "/usr/bin/python3", "-c", EVALUATOR]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Evaluator(process, kind)
        finally:
            process.kill()


def test_a_program_keeps_its_allocator_and_gives_memory_back_when_asked() -> None:
    with start("--agent", kind="glibc") as program:
        (listed,) = [row for row in run_workbench("ps", "--json").json if row["pid"] == program.pid]
        assert listed["kind"] == "glibc"
        assert run_workbench("do", program.pid).stdout.startswith("trim: Gives all unused pages")
        # Blocks below the threshold of mmap, every second one freed: the C library keeps their pages.
        program.tell("globals().update(kept=[b'x' * 100000 for _ in range(600)]) or None")
        program.tell("kept.__delitem__(slice(None, None, 2))")
        report = run_workbench("do", program.pid, "trim", "--json").json
        assert (report["action"], report["unit"]) == ("trim", "bytes")
        assert report["before"] - report["after"] > 20 << 20
        said = run_workbench("do", program.pid, "trim")
        assert said.status == 0
        assert said.stdout.startswith("trim: ")
        assert said.stdout.endswith(" resident\n")
        assert run_workbench("set", program.pid, "M_MXFAST=64").status == 0
        assert_refused(run_workbench("do", program.pid, "purge"), "unknown action 'purge'", "there is trim")


def test_another_allocator_with_the_agent() -> None:
    with start("--agent", "--allocator", "jemalloc", kind="jemalloc") as program:
        assert {"purge", "decay"} <= {row["name"] for row in run_workbench("do", program.pid, "--json").json}
        assert run_workbench("do", program.pid, "purge").status == 0


# A thread that allocates all the time, so that the allocator sees what it is asked for.
KEEP_BUSY = (
    "exec('''import threading, time\\n"
    "def work():\\n"
    " while True:\\n"
    "  [bytes(40) for _ in range(5000)]\\n"
    "  time.sleep(0.001)\\n"
    "threading.Thread(target=work, daemon=True).start()''')"
)


def test_hakmem_gives_memory_back_when_asked() -> None:
    with start("--set", "ss.purge_delay_ms=-1", kind="hakmem") as program, program.open() as block:
        program.tell(KEEP_BUSY)
        listed = run_workbench("do", program.pid, "--json").json
        assert [row["name"] for row in listed] == ["trim", "drain", "purge"]
        # Kept for later: a few MiB of large blocks.
        program.tell("[bytes(3 << 20) for _ in range(2)] and None")
        assert block.snapshot().fold("big.bytes") > 0
        for action in ("purge", "drain", "trim"):
            report = run_workbench("do", program.pid, action, "--json").json
            assert (report["action"], report["unit"]) == (action, "bytes")
            assert report["before"] > 1 << 20
            assert block.action_counts()[action] == (1, 1)
            assert block.snapshot().fold("big.bytes") == 0
        assert run_workbench("set", program.pid, "tls.grow_percent=70").status == 0
        assert [event.item for event in block.events().select("ACTION")] == ["purge", "drain", "trim"]


def test_on_demand_there_is_no_thread_before_it_is_asked_for() -> None:
    with start("--agent=on-demand", kind="glibc") as program:
        assert find_blocks(program.pid) == []
        assert len(list(Path(f"/proc/{program.pid}/task").iterdir())) == 1
        program.tell("library.hak_agent_start()")
        with program.open() as block:
            block.set({"M_MXFAST": 64})
            assert block.effective().values["M_MXFAST"] == 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "M_MXFAST=64"), "set its tunables with `workbench set`"),
        (("--allocator", "hakmem"), "hakmem publishes a control block of its own; leave out --agent"),
    ],
)
def test_what_does_not_go_together_is_refused(words: tuple[str, ...], said: str) -> None:
    assert_refused(run_workbench("exec", "--agent", *words, "--", "true"), said)
