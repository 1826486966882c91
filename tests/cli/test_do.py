"""do: a program that is idle, or stopped, and what the command says of it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.terminal import PROGRAM, WORKBENCH, Program, run_workbench, start, wait_until
from workbench.commands import blocks
from workbench.control import ControlBlock


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program does nothing meanwhile: a longer wait would end in the same way."""
    monkeypatch.setattr(blocks, "_PATIENCE_S", 0.1)


@pytest.mark.usefixtures("impatient")
def test_an_idle_program_acts_when_it_works_again(program: Program, invoke: Callable[..., Result]) -> None:
    said = invoke("do", program.pid, "trim")
    assert (said.exit_code, said.stdout) == (1, "")
    assert said.stderr == (
        f"workbench: process {program.pid} has not done 'trim' for 0.1 s: it allocates nothing; give it "
        "work, such as a request if it is a server, or start it with --set purge.background=on; the "
        "action stays asked for\n"
    )
    said = invoke("do", f"parent:{program.pid}", "trim")
    assert said.exit_code == 1
    program.allocate(10_000)
    with ControlBlock.open(program.pid) as block:
        assert block.action_counts()["trim"] == (2, 2)


@pytest.mark.usefixtures("impatient")
def test_a_stopped_program(program: Program, invoke: Callable[..., Result]) -> None:
    program.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: "T (stopped)" in Path(f"/proc/{program.pid}/status").read_text())
    said = invoke("do", program.pid, "trim")
    assert said.exit_code == 1
    assert f"it is stopped; `kill -CONT {program.pid}` lets it go on" in said.stderr


def test_an_idle_program_with_a_thread_for_it_acts() -> None:
    command = [WORKBENCH, "exec", "--set", "purge.background=on", "--", sys.executable, "-c", PROGRAM]
    with start(command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        said = run_workbench("do", process.pid, "trim")
        assert said.status == 0, said.stderr
        assert "resident" in said.stdout
