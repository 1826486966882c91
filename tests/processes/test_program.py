"""A stranger's program, started here to be attached to."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from typing import Any

import psutil
import pytest

from workbench.control import ControlBlock
from workbench.errors import CannotPreload, WorkerFailed
from workbench.processes import Program, Run, Worker

CAP_S = 180.0
SLEEPER = [sys.executable, "-c", "print('started', flush=True); import time; time.sleep(3600)"]


def test_it_can_be_attached_to_and_tuned() -> None:
    with Program.start(SLEEPER, {"tls.grow_percent": 70}) as program, program.open_block() as block:
        assert block.info.pid == program.pid
        assert block.effective().values["tls.grow_percent"] == 70
        block.set({"tls.grow_percent": 60})
        assert block.requested().values["tls.grow_percent"] == 60
        assert program.poll() is None
        assert program.stop() == -signal.SIGTERM
        assert not block.alive()
    assert program.poll() == -signal.SIGTERM


def test_the_block_is_the_programs_and_not_the_runners_that_becomes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        Worker.start(Run("pair", seconds=600)) as runner,
        Program.start(SLEEPER) as program,
    ):
        opened = []

        class FirstTheRunners(ControlBlock):
            @classmethod
            def open(cls, target: Any, kind: str | None = None) -> Any:
                opened.append(target)
                return ControlBlock.open(runner.pid if len(opened) == 1 else target)

        monkeypatch.setattr("workbench.processes.program.ControlBlock", FirstTheRunners)
        with program.open_block() as block:
            assert block.info.pid == program.pid
            assert "--die-with-parent" not in block.info.command
        assert len(opened) >= 2


def test_what_it_wrote_can_be_read() -> None:
    with Program.start([sys.executable, "-c", "print('one'); import sys; sys.exit('two')"]) as program:
        assert program.wait(CAP_S) == 1
        assert sorted(program.output_tail().splitlines()) == ["one", "two"]
        with pytest.raises(WorkerFailed, match="has no control block"):
            program.open_block()


def test_one_that_ignores_the_signal_is_killed() -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    with Program.start([sys.executable, "-c", f"{stubborn}; time.sleep(3600)"]) as program:
        program.open_block().close()
        while not program.output_tail():
            assert program.wait(0.01) is None
        assert program.stop(grace_s=0.05) == -signal.SIGKILL


def test_what_cannot_be_reached_is_refused() -> None:
    with pytest.raises(CannotPreload):
        Program.start(["no-such-program-here"])


PARENT = f"""
import time
from workbench.processes import Program
program = Program.start({SLEEPER!r})
print(program.pid, flush=True)
time.sleep(3600)
"""


def test_it_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(CAP_S)
