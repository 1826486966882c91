"""A sweep on a Dask cluster: scheduler and workers as processes of their own, one killed in the middle."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import psutil
import pytest

from tests.cli.terminal import PATIENCE_S, WORKBENCH, assert_refused, run_workbench, start, wait_until
from workbench.errors import BadParameter
from workbench.experiments import Result, Results, Run, check_address, read_sweep_plan
from workbench.experiments.cluster import measure_remotely

DASK = [sys.executable, "-m", "dask"]
LOCAL = ["--host", "127.0.0.1", "--no-dashboard"]
RUNS = 16
PLAN = f"""
workloads = ["random_mixed"]
seconds = 0.1
[axes]
seed = {{ from = 1, to = {RUNS}, steps = {RUNS} }}
"""


# A server with its client, and one that ends before it is ready.
SERVICE = f"""
[[works]]
name = "service"
server = ["{sys.executable}", "-Sc", "import time; print('ready', flush=True); time.sleep(3600)"]
ready = "line:^ready$"
client = ["{sys.executable}", "-Sc", "print('rate 12.5')"]
figures = [{{ name = "rate", unit = "1/s", better = "higher", regex = "rate (.*)" }}]

[[works]]
name = "broken"
server = ["sh", "-c", "echo no luck; exit 3"]
ready = "line:^ready$"
client = ["true"]

[axes]
"tls.max_slots" = [512, 1024]
"""

Process = subprocess.Popen[str]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[tuple[str, Process]]:
    """A scheduler on loopback: its address, and the process."""
    description = tmp_path / "scheduler.json"
    command = [*DASK, "scheduler", *LOCAL, "--port", "0", "--scheduler-file", description]
    with start(command, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
        wait_until(lambda: description.exists() and bool(description.read_text()))
        yield json.loads(description.read_text())["address"], process


def start_worker(address: str, folder: Path) -> AbstractContextManager[Process]:
    alone = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--death-timeout", "60"]
    command = [*DASK, "worker", address, *LOCAL, *alone, "--local-directory", folder]
    return start(command, stderr=subprocess.DEVNULL)


@pytest.fixture
def cluster(tmp_path: Path, scheduler: tuple[str, Process]) -> Iterator[tuple[str, list[Process]]]:
    """Address of the scheduler with two workers, and these workers."""
    address, _ = scheduler
    with ExitStack() as stack:
        folders = [tmp_path / f"worker{number}" for number in range(2)]
        yield address, [stack.enter_context(start_worker(address, folder)) for folder in folders]


def is_measuring(worker: Process) -> bool:
    return any("--ready-descriptor" in child.cmdline() for child in psutil.Process(worker.pid).children())


def test_all_runs_are_done_once_one_at_a_time_though_a_worker_dies(
    tmp_path: Path, cluster: tuple[str, list[Process]]
) -> None:
    address, workers = cluster
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    folder = tmp_path / "plan.results"
    with start([WORKBENCH, "sweep", path, "--cluster", address, "--json"]) as process:
        # Both have been at it, and one is in the middle of a run.
        wait_until(lambda: len(list(folder.glob("trials/*.json"))) >= 3)
        wait_until(lambda: is_measuring(workers[0]))
        orphans = psutil.Process(workers[0].pid).children(recursive=True)
        os.kill(workers[0].pid, signal.SIGKILL)
        psutil.wait_procs(orphans, timeout=PATIENCE_S)
        output, _ = process.communicate(timeout=2 * PATIENCE_S)
        assert process.returncode == 0
    assert not any(orphan.is_running() for orphan in orphans)
    told = json.loads(output)
    assert (told["trials"], told["done"], told["failed"]) == (RUNS, RUNS, {})
    results = list(Results.open(folder))
    assert [result.id for result in results] == list(dict.fromkeys(result.id for result in results))
    assert {result.id for result in results} == {run.resolve().id for run in read_sweep_plan(path).runs}
    periods = sorted((result.started_s, result.ended_s) for result in results)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(periods))


def test_the_scheduler_is_lost_and_the_sweep_goes_on_with_another(
    tmp_path: Path, scheduler: tuple[str, Process]
) -> None:
    address, process = scheduler
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    folder = tmp_path / "plan.results"
    with start([WORKBENCH, "sweep", path, "--cluster", address], stderr=subprocess.PIPE) as sweep:
        assert sweep.stderr is not None
        # Nobody works for it yet, and it says so.
        waiting = sweep.stderr.readline()
        assert f"no worker is connected to the scheduler at {address}: waiting" in waiting
        with start_worker(address, tmp_path / "worker"):
            wait_until(lambda: len(list(folder.glob("trials/*.json"))) >= 2)
            process.kill()
            output, errors = sweep.communicate(timeout=PATIENCE_S)
    assert sweep.returncode == 1
    assert errors.startswith(f"workbench: the Dask scheduler at {address} is gone")
    assert errors.endswith("the same command goes on\n")
    assert errors.count("\n") == 1
    done = len(Results.open(folder))
    assert 2 <= done < RUNS
    assert f"{done} of {RUNS} runs done" in output
    again = run_workbench("sweep", path, "--json")
    assert (again.status, again.json["done"]) == (0, RUNS)


def test_a_server_and_its_client_run_on_a_worker(tmp_path: Path, scheduler: tuple[str, Process]) -> None:
    address, _ = scheduler
    path = tmp_path / "plan.toml"
    path.write_text(SERVICE)
    with start_worker(address, tmp_path / "worker") as worker:
        done = run_workbench("sweep", path, "--cluster", address, "--json")
        assert psutil.Process(worker.pid).children(recursive=True) == []
    assert (done.status, done.json["done"]) == (1, 4)
    results: dict[str, list[Result]] = {name: [] for name in ("service", "broken")}
    for result in Results.open(tmp_path / "plan.results"):
        results[result.run.workload].append(result)
    for result in results["service"]:
        assert (result.status, result.figures["rate"]) == ("completed", 12.5)
        assert result.peak_resident_bytes > 2 << 20  # the server's
    reason = "the server ended with exit code 3; it said: no luck (it was not ready yet)"
    assert [(one.status, one.reason) for one in results["broken"]] == [("failed", reason)] * 2
    assert sorted(one.run.tunables["tls.max_slots"] for one in results["service"]) == [512, 1024]


def test_a_row_comes_back_as_it_was_measured() -> None:
    run = Run("random_mixed", operations=1000)
    assert json.loads(measure_remotely(run.to_json()))["id"] == run.resolve().id


def test_no_scheduler_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    # Port 1 of loopback: nobody listens there.
    refused = run_workbench("sweep", path, "--cluster", "tcp://127.0.0.1:1")
    assert_refused(refused, "no Dask scheduler answers at tcp://127.0.0.1:1")


@pytest.mark.parametrize("address", ["tls://192.0.2.1:8786", "tcp://127.0.0.1:1", "tcp://[::1]:1"])
def test_addresses_that_may_be_used(address: str) -> None:
    check_address(address)


@pytest.mark.parametrize(
    "address", ["tcp://192.0.2.1:8786", "tcp://0.0.0.0:1", "x", "", "tcp://:1", "tls://a"]
)
def test_addresses_that_may_not(address: str) -> None:
    with pytest.raises(BadParameter):
        check_address(address)
