"""Programs for live experiments, and a probe whose truth is known."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from workbench.control import ControlBlock, find_blocks
from workbench.experiments.live import LEASE_S
from workbench.probes import Probe, probe_from_callable

WORKBENCH = Path(sys.executable).parent / "workbench"
KNOB, A, B = "tls.max_slots", 512, 1024
PERIOD_S = 0.02

#: Allocates all the time; a line of input makes it fork, or become another program.
BUSY = """
import os, select, signal, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children leave nothing behind
print("ready", flush=True)
while True:
    blocks = [bytearray(200) for _ in range(4000)]
    if select.select([sys.stdin], [], [], 0.005)[0]:
        line = sys.stdin.readline()
        if line == "exec\\n":
            os.execv("/bin/sleep", ["sleep", "60"])
        if line == "fork\\n" and (parent := os.getpid()) and os.fork() == 0:
            print(os.getpid(), flush=True)
            while os.getppid() == parent:
                blocks = [bytearray(200) for _ in range(4000)]
                time.sleep(0.005)
            os._exit(0)
"""


@contextlib.contextmanager
def run_busy(*options: str) -> Iterator[subprocess.Popen[str]]:
    """A program that allocates all the time under `workbench exec`."""
    process = subprocess.Popen(
        [str(WORKBENCH), "exec", *options, "--", sys.executable, "-c", BUSY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert find_blocks(pid=process.pid)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.communicate()


def make_probe(block: ControlBlock, gain: float = 1.05, name: str = "speed") -> Probe:
    """A figure that B multiplies by `gain`, with noise that the clock makes."""

    def read() -> float:
        noise = 1 + 0.002 * (time.monotonic_ns() // 1000 % 7 - 3) / 3
        return 100 * noise * (gain if block.requested().values[KNOB] == B else 1.0)

    return probe_from_callable(name, read, "requests/s", better="higher", period_s=PERIOD_S)


def await_value(pid: int, is_right: Callable[[ControlBlock], bool], most_s: float) -> float:
    """Wait until a control block is as it should be; returns how long that took."""
    began_s = time.monotonic()
    with ControlBlock.open(pid) as block:
        while not is_right(block):
            assert time.monotonic() - began_s < most_s, block.effective()
            time.sleep(0.01)
    return time.monotonic() - began_s


def assert_gone_back(block: ControlBlock, knob: str, a: int) -> None:
    """The holder of a lease has just died: A is what is asked for when its time is over, and acted on."""
    time.sleep(LEASE_S)
    assert block.requested().values[knob] == a
    await_value(block.info.pid, lambda one: one.effective().values[knob] == a, 10)
    assert block.requested().values[knob] == a


if __name__ == "__main__":  # an experiment for ever, to be killed: PID KNOB A B
    from workbench.experiments.live import LiveExperiment, LiveProgress
    from workbench.experiments.live_result import LivePlan

    pid, knob, a, b = sys.argv[1:]
    with ControlBlock.open(int(pid)) as its_block:
        plan = LivePlan({knob: int(a)}, {knob: int(b)}, blocks=10_000, block_s=0.1, wash_out_s=0.0)
        still = probe_from_callable("still", lambda: 1.0, period_s=PERIOD_S)

        def announce(now: LiveProgress) -> None:
            if now.number:
                sys.stdout.write("began\n")
                sys.stdout.flush()

        LiveExperiment(its_block, plan, [still], on_progress=announce).run()
