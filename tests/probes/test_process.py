"""The built-in probes, against what the system tells elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from workbench.errors import ProbeFailed
from workbench.probes import process_probes

# Uses 64 MiB and some processor time, then waits.
PROGRAM = """
import sys
block = bytearray(64 << 20)
for number in range(0, len(block), 4096):
    block[number] = 1
print(sum(range(3_000_000)), flush=True)
sys.stdin.read()
"""


@contextmanager
def run_program() -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate(timeout=60)


def test_figures_are_those_of_the_system() -> None:
    with run_program() as pid:
        told = psutil.Process(pid)
        probes = process_probes(pid)
        before = sum(told.num_ctx_switches())  # it may be on its way to its wait still
        figures = {name: probe.read() for name, probe in probes.items() if name.startswith("process.")}
        assert figures["process.resident"] == pytest.approx(told.memory_info().rss, rel=0.02)
        assert 64 << 20 <= figures["process.proportional"] <= figures["process.resident"]
        times = told.cpu_times()
        assert figures["process.processor_time"] == pytest.approx(times.user + times.system, abs=0.011)
        assert figures["process.minor_faults"] > 1000 or figures["process.huge_pages"] > 0
        assert before <= figures["process.context_switches"] <= sum(told.num_ctx_switches())
        assert all(probe.metric.help and probe.metric.chart for probe in probes.values())


def test_a_group_is_summed_and_its_counters_never_fall() -> None:
    with run_program() as first:
        pids = [first]
        probe = process_probes(lambda: pids)["process.processor_time"]
        memory = process_probes(lambda: pids)["process.proportional"]
        alone = probe.read()
        with run_program() as second:
            pids.append(second)
            both = probe.read()
            assert both > alone > 0
            assert memory.read() > 128 << 20
        assert probe.read() >= both  # the second has ended
        pids.remove(second)
        assert probe.read() >= both
        assert memory.read() < 100 << 20


def test_a_process_that_is_gone_is_a_reason() -> None:
    with run_program() as pid:
        probes = process_probes(pid)
    for probe in probes.values():
        with pytest.raises(ProbeFailed, match=r"No such|no process|cgroup"):
            probe.read()


def test_the_cgroup_answers_or_says_why() -> None:
    for name, probe in process_probes(os.getpid()).items():
        if name.startswith("cgroup."):
            try:
                assert probe.read() >= 0
            except ProbeFailed as failed:
                assert "cgroup" in str(failed)
