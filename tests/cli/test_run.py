"""run: the report of a run, in full."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.terminal import WORKBENCH, assert_refused, run_workbench, start, wait_until
from workbench.allocators import allocators
from workbench.control import ControlBlock, find_blocks

LONG = [WORKBENCH, "run", "random_mixed", "--seconds", "600", "--threads", "1", "--json"]
SHORT = ["random_mixed", "--operations", "50000", "--threads", "1"]
FIELDS = {
    "workload",
    "allocator",
    "threads",
    "seed",
    "operations",
    "elapsed_s",
    "operations_per_s",
    "peak_resident_bytes",
    "tunables",
    "effective",
    "events",
    "status",
}


def test_report_has_every_field() -> None:
    report = run_workbench("run", *SHORT, "--seed", 7, "--set", "tls.grow_percent=60", "--json").json
    assert report.keys() >= FIELDS
    assert report["workload"] == "random_mixed"
    assert report["allocator"] == "hakmem"
    assert (report["threads"], report["seed"]) == (1, 7)
    assert report["operations"] == 50_000
    assert report["status"] == "completed"
    assert report["elapsed_s"] > 0
    assert report["operations_per_s"] > 0
    assert report["peak_resident_bytes"] > 2**20
    assert report["tunables"] == {"tls.grow_percent": 60}
    # What was asked for, and what it ran with: all of it.
    defaults = {
        entry["name"]: entry["default"] for entry in run_workbench("tunables", "--json").json["tunables"]
    }
    assert report["effective"] == defaults | {"tls.grow_percent": 60}
    assert report["events"]["THREAD_START"] >= 1


@pytest.mark.parametrize("name", [found.name for found in allocators() if found.available])
def test_every_allocator_at_hand(name: str) -> None:
    report = run_workbench("run", *SHORT, "--allocator", name, "--json").json
    assert (report["allocator"], report["operations"], report["status"]) == (name, 50_000, "completed")


def test_for_people() -> None:
    done = run_workbench("run", *SHORT)
    assert (done.status, done.stderr) == (0, "")
    assert "random_mixed under hakmem, 1 thread, seed 1: completed" in done.stdout
    assert "operations/s" in done.stdout


def test_parameters_and_settings_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tuned.env"
    path.write_text("HAKMEM_TLS_GROW_PERCENT=61\nHAKMEM_BIG_POLICY=lfu\n")
    report = run_workbench(
        "run", *SHORT, "--param", "slots=512", "--settings", path, "--set", "tls.grow_percent=62", "--json"
    ).json
    assert report["parameters"]["slots"] == 512
    assert report["tunables"] == {"tls.grow_percent": 62, "big.policy": "lfu"}


def test_by_seconds() -> None:
    report = run_workbench("run", "larson", "--seconds", "0.2", "--threads", "1", "--json").json
    assert report["status"] == "completed"
    assert report["elapsed_s"] >= 0.2


def test_an_interrupt_stops_it() -> None:
    with start(LONG, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        worker = wait_for_worker(run.pid)
        run.send_signal(signal.SIGINT)
        report = json.loads(run.stdout.read())
        assert report["status"] == "stopped"
        assert report["operations"] > 0
        assert run.wait() == 130
        assert "Traceback" not in run.stderr.read()
        assert not find_blocks(pid=worker)


def test_a_crash_is_an_outcome() -> None:
    with start(LONG, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        os.kill(wait_for_worker(run.pid), signal.SIGSEGV)
        report = json.loads(run.stdout.read())
        assert report["status"] == "crashed"
        assert report["signal"] == "SIGSEGV"
        assert run.wait() == 1


def test_pause_and_resume_from_another_terminal() -> None:
    def operations(worker: int) -> float:
        entries = run_workbench("metrics", worker, "--kind", "workload", "--json").json["metrics"]
        found: float = {entry["name"]: entry["value"] for entry in entries}["workload.operations"]
        return found

    with start(LONG) as run:
        worker = wait_for_worker(run.pid)
        assert run_workbench("set", worker, "run.state=paused").status == 0
        seen = [-1.0]

        def stands_still() -> bool:
            seen.append(operations(worker))
            return seen[-1] == seen[-2]

        wait_until(stands_still)
        assert run_workbench("set", worker, "run.state=running").status == 0
        wait_until(lambda: operations(worker) > seen[-1])
        assert run_workbench("set", worker, "run.state=stopping").status == 0
        assert run.stdout is not None
        assert json.loads(run.stdout.read())["operations"] > seen[-1]


def wait_for_worker(pid: int) -> int:
    """Pid of the worker of `workbench run`, once its workload makes progress."""
    found: list[int] = []

    def works() -> bool:
        for info in find_blocks(kind="workload"):
            if parent_of(info.pid) == pid:
                with ControlBlock.open(info.path) as block:
                    if block.snapshot().fold("workload.operations") > 0:
                        found.append(info.pid)
        return bool(found)

    wait_until(works)
    return found[0]


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_progress_is_for_terminals_only() -> None:
    ours, theirs = pty.openpty()
    try:
        run = subprocess.Popen(
            [WORKBENCH, "run", "random_mixed", "--seconds", "0.5", "--threads", "1", "--json"],
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
            text=True,
        )
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:  # how a terminal says that its last user is gone
            pass
        assert json.loads(run.communicate()[0])["status"] == "completed"
    finally:
        os.close(ours)
    assert "random_mixed under hakmem" in shown.decode()


def test_wrong_tunables_are_refused() -> None:
    done = run_workbench("run", *SHORT, "--set", "tls.min_slots=4096")
    assert_refused(done, "tls.min_slots", "tls.max_slots")
