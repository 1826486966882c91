"""ps, tunables, set and metrics on a live program."""

from __future__ import annotations

import sys

from tests.cli.terminal import Program, assert_refused, run_workbench
from workbench.control import ControlBlock


def read_tunable(pid: int, name: str) -> dict[str, object]:
    entries = run_workbench("tunables", pid, "--json").json["tunables"]
    found: dict[str, object] = {entry["name"]: entry for entry in entries}[name]
    return found


def test_ps_lists_it(program: Program) -> None:
    entries = {entry["pid"]: entry for entry in run_workbench("ps", "--json").json}
    assert entries[program.pid]["kind"] == "hakmem"
    assert entries[program.pid]["command"].startswith(sys.executable)
    assert entries[program.pid]["access"] == "write"
    assert str(program.pid) in run_workbench("ps").stdout


def test_set_is_requested_then_effective(program: Program) -> None:
    done = run_workbench("set", program.pid, "tls.grow_percent=60", "tls.max_bytes=1MiB")
    assert (done.status, done.stderr) == (0, "")
    assert "tls.grow_percent" in done.stdout
    assert "60" in done.stdout
    assert read_tunable(program.pid, "tls.grow_percent")["requested"] == 60
    assert read_tunable(program.pid, "tls.max_bytes")["requested"] == 2**20
    program.allocate(10_000)
    assert read_tunable(program.pid, "tls.grow_percent")["effective"] == 60
    adoption = run_workbench("tunables", program.pid, "--json").json
    assert adoption["effective_generation"] == adoption["generation"]
    assert adoption["adopted"] == adoption["threads"] >= 1


def test_set_says_what_it_did(program: Program) -> None:
    report = run_workbench("set", program.pid, "tls.initial_slots=128", "big.policy=lfu", "--json").json
    assert report["pid"] == program.pid
    assert report["values"] == {"tls.initial_slots": 128, "big.policy": "lfu"}
    assert report["effect"] == {"tls.initial_slots": "new threads", "big.policy": "live"}
    assert report["generation"] > 0


def test_set_is_all_or_nothing(program: Program) -> None:
    before = run_workbench("tunables", program.pid, "--json").json
    done = run_workbench("set", program.pid, "tls.grow_percent=60", "tls.shrink_percent=99")
    assert_refused(done, "tls.shrink_percent", "99", "49")
    done = run_workbench("set", program.pid, "tls.min_slots=2000", "tls.max_slots=1000")
    assert_refused(done, "tls.min_slots", "tls.max_slots")
    done = run_workbench("set", program.pid, "tls.grow_percent=60", "l25.initial_shards=128")
    assert_refused(done, "l25.initial_shards", "start")
    assert run_workbench("tunables", program.pid, "--json").json == before


def test_tunables_are_shown_with_their_units(program: Program) -> None:
    text = run_workbench("tunables", program.pid).stdout
    assert "tls.grow_percent" in text
    assert "50 to 99 %" in text
    assert "conservative, hot, off, full" in text
    assert "new threads" in text


def test_tunables_of_the_build() -> None:
    with ControlBlock.own() as own:
        names = list(own.tunables)
    report = run_workbench("tunables", "--json").json
    assert [entry["name"] for entry in report["tunables"]] == names
    assert {entry["name"]: entry["default"] for entry in report["tunables"]}["tls.grow_percent"] == 80
    assert "HAKMEM_TLS_GROW_PERCENT" in {entry["environment"] for entry in report["tunables"]}
    assert "requested" not in report["tunables"][0]
    assert "tls.grow_percent" in run_workbench("tunables").stdout


def test_metrics_count_its_work(program: Program) -> None:
    def allocations() -> float:
        entries = run_workbench("metrics", program.pid, "--json").json["metrics"]
        found: float = {entry["name"]: entry["value"] for entry in entries}["thread.operations"]
        return found

    before = allocations()
    program.allocate(50_000)
    assert allocations() >= before + 40_000
    entries = {
        entry["name"]: entry for entry in run_workbench("metrics", program.pid, "--json").json["metrics"]
    }
    assert entries["tls.capacity"]["unit"] == "slots"
    assert set(entries["tls.capacity"]["by_group"]) >= {"C0", "C3", "C7"}
    assert "tls.capacity" in run_workbench("metrics", program.pid).stdout
