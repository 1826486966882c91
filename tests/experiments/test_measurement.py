"""A measured run: what is in its result, and that failures are results with a reason."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workbench import processes
from workbench.errors import OutOfRange, WrongResults
from workbench.experiments import Result, Results, Run, Step, describe_machine, measure_run, measurement
from workbench.experiments.host import host_lock_path
from workbench.processes import Worker
from workbench.units import MIB

SHORT = Run("random_mixed", operations=200_000)
ENDLESS = Run("random_mixed", seconds=3600.0)
PYTHON = "python3"
LITTLE = 32 * MIB


def kill_worker(worker: Worker) -> None:
    os.kill(worker.pid, signal.SIGSEGV)


def test_a_result_tells_what_was_measured_and_where() -> None:
    result = measure_run(SHORT, warm_bytes=LITTLE)
    assert (result.status, result.reason, result.is_measured) == ("completed", "", True)
    assert result.id == SHORT.resolve().id
    assert result.operations == 200_000
    assert result.operations_per_s == pytest.approx(result.operations / result.elapsed_s)
    assert result.peak_resident_bytes >= result.mean_resident_bytes > 0
    assert result.peak_cached_bytes is not None
    assert result.mean_cached_bytes is not None
    assert result.peak_cached_bytes >= result.mean_cached_bytes >= 0
    assert result.checksum
    assert result.latency_ns == {}
    assert result.warmed_bytes == LITTLE
    assert result.was_warm
    assert result.ended_s > result.started_s > 0
    assert "hakmem" in result.allocator_build
    assert result.runner_build.startswith("hakmem-run, ")
    assert len(result.software.allocator_checksum) == len(result.software.runner_checksum) == 64


def test_the_machine_is_told_apart_and_not_named() -> None:
    machine = measure_run(SHORT, warm_bytes=0).machine
    assert machine == measure_run(SHORT, warm_bytes=0).machine
    row = str(machine)
    assert os.uname().nodename not in row.replace(machine.kernel, "")
    assert Path("/etc/machine-id").read_text().strip() not in row
    assert machine.cores >= 1
    assert machine.memory_bytes > 0
    assert machine.huge_pages in ("always", "madvise", "never", "unknown")


def test_settings_of_the_machine_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave",
        "/sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]",
        "/proc/cpuinfo": "processor : 0\nmodel name\t: A CPU of 1999\n",
    }
    monkeypatch.setattr("workbench.processes.machine._read_text", lambda path: told.get(path, ""))
    machine = describe_machine()
    assert (machine.governor, machine.huge_pages, machine.cpu) == ("powersave", "never", "A CPU of 1999")
    told.clear()
    machine = describe_machine()
    assert (machine.governor, machine.huge_pages) == ("none", "unknown")


def test_peers_have_no_cached_memory_to_tell() -> None:
    result = measure_run(Run("random_mixed", operations=1000, allocator="glibc"), warm_bytes=0)
    assert result.mean_cached_bytes is None
    assert result.allocator_build == ""
    assert result.software.allocator_version not in ("", "unknown")


def test_latency_is_sampled_on_request() -> None:
    run = Run("random_mixed", operations=200_000, samples_latency=True)
    result = measure_run(run, warm_bytes=0)
    assert result.latency_ns["malloc_count"] > 0
    assert result.latency_ns["malloc_p99"] >= result.latency_ns["malloc_p50"]
    assert Result.from_row(result.to_row()) == result


def test_the_same_seed_makes_the_same_requests_under_all() -> None:
    checksums = {
        measure_run(Run("random_mixed", operations=5000, seed=7, allocator=name), warm_bytes=0).checksum
        for name in ("hakmem", "glibc")
    }
    assert len(checksums) == 1


def test_a_crash_is_a_result() -> None:
    result = measure_run(ENDLESS, warm_bytes=0, observe=kill_worker)
    assert result.status == "crashed"
    assert "SIGSEGV" in result.reason
    assert not result.is_measured
    assert Result.from_row(result.to_row()) == result


def test_a_hang_is_a_result() -> None:
    result = measure_run(ENDLESS, warm_bytes=0, timeout_s=0.1)
    assert (result.status, result.reason) == ("timed out", "it did not end in time and was killed")


def test_a_lack_of_memory_is_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([4, 5])
    monkeypatch.setattr(measurement, "_count_memory_kills", lambda: next(counts))
    result = measure_run(ENDLESS, warm_bytes=0, observe=lambda worker: os.kill(worker.pid, signal.SIGKILL))
    assert result.status == "out of memory"
    assert "no memory left" in result.reason


@pytest.mark.parametrize("command", [(), (PYTHON, "-c", "pass")])
def test_a_process_that_cannot_be_started_is_a_result(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(processes.worker, "spawn", refuse)
    monkeypatch.setattr(processes.launcher, "spawn", refuse)
    result = measure_run(Run("random_mixed", command=command), warm_bytes=0)
    assert result.status == "failed"
    assert "temporarily unavailable" in result.reason


def test_a_kill_by_somebody_is_a_crash() -> None:
    result = measure_run(ENDLESS, warm_bytes=0, observe=lambda worker: os.kill(worker.pid, signal.SIGKILL))
    assert result.status == "crashed"
    assert "SIGKILL" in result.reason


def test_a_wrong_trial_does_not_run() -> None:
    with pytest.raises(OutOfRange, match="threads: 0"):
        measure_run(Run("random_mixed", threads=0))


def test_steps_by_operations_and_by_time_are_taken() -> None:
    seen: set[object] = set()

    def look(worker: Worker) -> None:
        assert worker.allocator_block is not None
        values = worker.allocator_block.requested().values
        seen.add((values["tls.grow_percent"], values["tls.shrink_percent"]))
        if values["tls.grow_percent"] == 61 and values["tls.shrink_percent"] == 21:
            worker.stop()

    steps = (
        Step({"tls.grow_percent": 61}, at_operations=1000),
        Step({"tls.shrink_percent": 21}, at_s=0.01),
    )
    result = measure_run(Run("random_mixed", seconds=600.0, schedule=steps), warm_bytes=0, observe=look)
    assert result.status == "stopped"
    assert (61, 21) in seen


def test_a_command_is_measured_with_its_children(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import subprocess, sys\n"
        "hold = 'import time; x = bytearray(60 * 1024 * 1024); time.sleep(0.2)'\n"
        "subprocess.run([sys.executable, '-c', hold], check=True)\n"
    )
    run = Run("script", command=(PYTHON, "script.py"), inputs=(script,), allocator="glibc")
    result = measure_run(run, warm_bytes=0)
    assert (result.status, result.reason) == ("completed", "")
    assert result.operations == 1
    assert result.elapsed_s >= 0.2
    assert result.peak_resident_bytes > 60 * MIB
    assert result.processor_s is not None
    assert result.sample_count > 0


def test_what_a_command_writes_is_told_apart() -> None:
    """Whole programs shall come to the same result under every allocator."""
    same, again, other = (
        measure_run(Run("print", command=(PYTHON, "-c", f"print({word!r})"), allocator=name), warm_bytes=0)
        for word, name in (("one", "glibc"), ("one", "hakmem"), ("two", "glibc"))
    )
    assert same.checksum == again.checksum != other.checksum
    assert len(same.checksum) == 16


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("import sys; print('bad luck'); sys.exit(3)", "failed", "exit code 3; it said: bad luck"),
        ("import os; os.kill(os.getpid(), 11)", "crashed", "SIGSEGV"),
    ],
)
def test_a_command_that_fails_is_a_result(code: str, status: str, said: str) -> None:
    result = measure_run(Run("bad", command=(PYTHON, "-c", code)), warm_bytes=0)
    assert result.status == status
    assert said in result.reason


def test_a_command_that_hangs_is_a_result() -> None:
    run = Run("hang", command=(PYTHON, "-c", "import time; time.sleep(600)"))
    result = measure_run(run, warm_bytes=0, timeout_s=0.2)
    assert result.status == "timed out", result.reason


def test_a_command_runs_under_the_allocator_with_its_settings() -> None:
    code = (
        "import os; maps = open('/proc/self/maps').read();"
        "assert 'libhakmem' in maps; assert os.environ['HAKMEM_TLS_GROW_PERCENT'] == '61'"
    )
    run = Run("look", command=(PYTHON, "-c", code), tunables={"tls.grow_percent": 61})
    assert measure_run(run, warm_bytes=0).reason == ""


def test_only_one_measures_at_a_time() -> None:
    measure_run(SHORT, warm_bytes=0)
    code = "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, 2); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(host_lock_path())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        code = "from tests.experiments.test_measurement import SHORT, measure_run;"
        code += "print(measure_run(SHORT, warm_bytes=0).started_s)"
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        ) as second:
            # It waits in flock: /proc/locks lists who waits with an arrow.
            inode = str(host_lock_path().stat().st_ino)
            while not any(
                "->" in line and inode in line and f" {second.pid} " in line
                for line in Path("/proc/locks").read_text().splitlines()
            ):
                assert second.poll() is None
            released_s = time.time()
            holder.stdin.write("\n")
            holder.stdin.close()
            assert second.stdout is not None
            assert float(second.stdout.read()) >= released_s


def test_a_row_of_another_version_is_named() -> None:
    row = measure_run(SHORT, warm_bytes=0).to_row()
    del row["checksum"]
    with pytest.raises(WrongResults, match="no column 'checksum'"):
        Result.from_row(row)


def test_what_the_allocator_tells_comes_with_the_result(tmp_path: Path) -> None:
    result = measure_run(Run("random_mixed", {"slots": 5000}, threads=1, operations=200_000))
    assert result.telemetry["tls.allocations"] > 50_000
    assert 0 < result.telemetry["tls.misses"] <= result.telemetry["tls.refills"] + 1
    assert result.telemetry["registry.entries"] >= 1
    assert all(math.isfinite(value) for value in result.telemetry.values())
    results = Results.open(tmp_path / "results")
    with results.writing():
        results.add(result)
        results.compact()
    assert next(iter(Results.open(tmp_path / "results"))) == result
    assert measure_run(Run("random_mixed", operations=1000, allocator="glibc")).telemetry == {}
