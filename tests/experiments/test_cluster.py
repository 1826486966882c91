"""A sweep on a Dask cluster: scheduler and workers as processes of their own, one killed in the middle."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.cli.terminal import PATIENCE_S, WORKBENCH, assert_refused, run_workbench, start, wait_until
from workbench.errors import BadParameter
from workbench.experiments import Results, Trial, check_address, read_plan
from workbench.experiments.cluster import measure_remotely

DASK = [sys.executable, "-m", "dask"]
TRIALS = 16
PLAN = f"""
workloads = ["random_mixed"]
seconds = 0.1
[axes]
seed = {{ from = 1, to = {TRIALS}, steps = {TRIALS} }}
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """Address of a scheduler on loopback with two workers, and these workers."""
    description = tmp_path / "scheduler.json"
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    quiet = {"stderr": subprocess.DEVNULL, "cwd": tmp_path}
    with ExitStack() as stack:
        stack.enter_context(
            start([*DASK, "scheduler", *local, "--port", "0", "--scheduler-file", description], **quiet)
        )
        wait_until(lambda: description.exists() and bool(description.read_text()))
        address = json.loads(description.read_text())["address"]
        alone = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--death-timeout", "60"]
        workers = [
            stack.enter_context(
                start(
                    [
                        *DASK,
                        "worker",
                        address,
                        *local,
                        *alone,
                        "--local-directory",
                        tmp_path / f"worker{number}",
                    ],
                    **quiet,
                )
            )
            for number in range(2)
        ]
        yield address, workers


def is_measuring(worker: subprocess.Popen[str]) -> bool:
    return any("--ready-descriptor" in child.cmdline() for child in psutil.Process(worker.pid).children())


def test_all_trials_are_done_once_one_at_a_time_though_a_worker_dies(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[str]]]
) -> None:
    address, workers = cluster
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    folder = tmp_path / "plan.results"
    with start([WORKBENCH, "sweep", path, "--cluster", address, "--json"]) as process:
        # Both have been at it, and one is in the middle of a trial.
        wait_until(lambda: len(list(folder.glob("trials/*.json"))) >= 3)
        wait_until(lambda: is_measuring(workers[0]))
        orphans = psutil.Process(workers[0].pid).children(recursive=True)
        os.kill(workers[0].pid, signal.SIGKILL)
        psutil.wait_procs(orphans, timeout=PATIENCE_S)
        output, _ = process.communicate(timeout=2 * PATIENCE_S)
        assert process.returncode == 0
    assert not any(orphan.is_running() for orphan in orphans)
    told = json.loads(output)
    assert (told["trials"], told["done"], told["failed"]) == (TRIALS, TRIALS, {})
    results = list(Results.open(folder))
    assert [result.id for result in results] == list(dict.fromkeys(result.id for result in results))
    assert {result.id for result in results} == {trial.id for trial in read_plan(path).trials}
    periods = sorted((result.started_s, result.ended_s) for result in results)
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(periods))


def test_a_row_comes_back_as_it_was_measured() -> None:
    trial = Trial("random_mixed", operations=1000)
    assert json.loads(measure_remotely(trial.to_json()))["id"] == trial.id


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
