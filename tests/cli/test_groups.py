"""Commands on a group: a Python server with eight workers that restart, and what is wrong with a group."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest
from click.testing import Result

from tests.cli.terminal import WORKBENCH, assert_refused, run_workbench, start, wait_until
from workbench.control import ControlBlock, find_blocks
from workbench.processes import group as groups

NAME = f"test-{os.getpid()}"
WORKERS = 8
# Starts a worker for each that ends. All end with their parent.
SERVER = f"""
import os, sys
def work():
    blocks = [bytearray(100) for _ in range(20000)]
    os.read(0, 1)
    os._exit(0)
for _ in range({WORKERS}):
    os.fork() or work()
print("ready", flush=True)
while True:
    os.wait()
    os.fork() or work()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    command = [WORKBENCH, "exec", "--group", NAME, "--", sys.executable, "-c", SERVER]
    with start(command, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            wait_until(lambda: len(list_workers(process.pid)) == WORKERS)
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            groups.group_path(NAME).unlink(missing_ok=True)


def list_workers(server: int) -> list[int]:
    group = groups.parse_group(f"parent:{server}")
    members = set(group.pids()) - {server}
    return [info.pid for info in find_blocks() if info.pid in members]


def restart_worker(server: int) -> int:
    """End a worker, and return the one that takes its place."""
    before = list_workers(server)
    os.kill(before[0], signal.SIGKILL)
    wait_until(lambda: len(set(list_workers(server)) - {before[0]}) == WORKERS)
    return (set(list_workers(server)) - set(before)).pop()


def test_a_set_reaches_all_and_workers_that_start_later(server: int) -> None:
    done = run_workbench("set", f"group:{NAME}", "tls.grow_percent=61", "--json")
    assert done.status == 0, done.stderr
    taken = {entry["pid"]: entry["values"] for entry in done.json["processes"]}
    assert taken == {pid: {"tls.grow_percent": 61} for pid in [server, *list_workers(server)]}
    with ControlBlock.open(restart_worker(server)) as block:
        assert block.requested().values["tls.grow_percent"] == 61
    assert "HAKMEM_TLS_GROW_PERCENT=61" in run_workbench("export", f"group:{NAME}", "--format", "env").stdout


def test_what_differs_is_told(server: int) -> None:
    worker = list_workers(server)[0]
    assert run_workbench("set", worker, "tls.max_slots=512").status == 0
    # The worker waits, so it has not taken up what was set.
    assert "2048 in 8, 512 (still 2048) in 1" in run_workbench("tunables", f"parent:{server}").stdout
    told = run_workbench("export", f"parent:{server}", "--format", "env")
    assert_refused(told, "tls.max_slots is 2048 in 8, 512 in 1")
    # A first capacity above the maximum is refused: in one process.
    partly = run_workbench("set", f"parent:{server}", "tls.initial_slots=1024")
    assert (partly.status, partly.stdout.count("refused: "), partly.stdout.count("-> 1024")) == (1, 1, 8)
    none = run_workbench("set", f"parent:{server}", "tls.grow_percent=200")
    assert (none.status, none.stdout.count("refused: ")) == (2, 9)
    restart = run_workbench("set", f"parent:{server}", "tls.initial_slots=64", "tls.max_slots=2048")
    assert restart.status == 0


def test_metrics_are_sums_and_spreads(server: int) -> None:
    alone = run_workbench("metrics", server, "--json").json["metrics"]
    entries = run_workbench("metrics", f"parent:{server}", "--json").json
    assert len(entries["processes"]) == WORKERS + 1
    found = {entry["name"]: entry for entry in entries["metrics"]}
    assert found["threads.live"]["value"] == WORKERS + 1
    assert found["thread.id"]["lowest"] == server < found["thread.id"]["value"]
    assert list(found) == [entry["name"] for entry in alone]
    assert (
        f"{server}..{int(found['thread.id']['value'])}" in run_workbench("metrics", f"parent:{server}").stdout
    )


def test_watch_tells_who_comes_and_goes_and_shows_probes(server: int) -> None:
    probes = ["--probe", "queue:jobs=echo 7", "--probe", "broken:jobs=echo x"]
    with start(
        [WORKBENCH, "watch", f"parent:{server}", "--json", "--all", "--interval", "0.05", *probes]
    ) as watch:
        assert watch.stdout is not None
        first = json.loads(watch.stdout.readline())
        assert len(first["pids"]) == WORKERS + 1
        gone, came = list_workers(server)[0], restart_worker(server)
        began: set[int] = set()
        ended: set[int] = set()
        sample = first
        while came not in began or gone not in ended or "process.resident" not in sample["probes"]:
            sample = json.loads(watch.stdout.readline())
            began |= set(sample["began"])
            ended |= set(sample["ended"])
    assert sample["probes"]["queue"]["value"] == 7
    assert "'x'" in sample["probes"]["broken"]["reason"]
    assert sample["probes"]["broken"]["value"] is None
    assert sample["probes"]["process.resident"]["value"] > WORKERS * 2**20


def test_ps_shows_workers_under_their_parent(server: int) -> None:
    lines = run_workbench("ps").stdout.splitlines()
    columns = {int(line.split()[0]): line.index(sys.executable) for line in lines if sys.executable in line}
    assert {columns[pid] - columns[server] for pid in list_workers(server)} == {2}


def test_serve_metrics_takes_targets(invoke: Callable[..., Result]) -> None:
    assert_refused(invoke("serve-metrics", "command:no-such-program-anywhere"), "no such process")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command:no-such-program-anywhere", "there is no such process"),
        ("group:no-such-group", "there is no such process"),
        ("commands:x", "did you mean 'command'"),
        ("parent:x", "no pid"),
        ("postgres", "neither a pid nor a group such as command:postgres"),
    ],
)
@pytest.mark.parametrize("command", ["tunables", "metrics", "watch", "do"])
def test_wrong_groups(invoke: Callable[..., Result], command: str, text: str, said: str) -> None:
    assert_refused(invoke(command, text), said)


def test_a_group_that_is_too_large(
    invoke: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, server: int
) -> None:
    monkeypatch.setattr(groups, "_MOST_PROCESSES", WORKERS)
    assert_refused(invoke("metrics", f"parent:{server}"), f"has {WORKERS + 1} processes, more than {WORKERS}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_another_users_process_is_told(invoke: Callable[..., Result]) -> None:
    with start(["cat"], user=65534) as other:
        assert_refused(invoke("metrics", f"parent:{other.pid}"), "1 belong to the user", "as that user")
