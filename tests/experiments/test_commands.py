"""compare and sweep as a user types them: tables, JSON, Ctrl-C, kill -9, wrong input."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections import Counter
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from tests.cli.terminal import PATIENCE_S, WORKBENCH, assert_refused, run_workbench, start, wait_until
from tests.replay import programs
from workbench.cli import cli
from workbench.experiments import Results, read_sweep_plan

SWEEP = """
workloads = ["random_mixed"]
operations = 20000
rounds = 3
[axes]
"tls.grow_percent" = [60, 70, 80, 90]
threads = [1, 2]
"""
LONG_SWEEP = SWEEP.replace("operations = 20000", "seconds = 0.05")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    return path


def count_results(folder: Path) -> int:
    return len(list(folder.glob("trials/*.json")))


def test_compare_tells_a_table_with_verdicts() -> None:
    run = run_workbench(
        *("compare", "random_mixed", "phases", "--allocators", "glibc,hakmem"),
        *("--variant", "tight:tls.max_slots=256", "--rounds", 2, "--operations", 5000),
    )
    assert run.status == 0, run.stderr
    assert "2 of 2 rounds" in run.stdout
    assert "baseline glibc" in run.stdout
    for words in ("hakmem", "tight", "throughput", "peak resident", "geometric mean", "cannot tell: about"):
        assert words in run.stdout


def test_compare_as_json_and_again_from_what_is_kept(tmp_path: Path) -> None:
    command = ("compare", "random_mixed", "--allocators", "glibc,hakmem", "--rounds", 9, "--operations", 2000)
    first = run_workbench(*command, "--latency", "--output", tmp_path / "kept", "--json")
    assert first.status == 0, first.stderr
    findings = first.json["findings"]
    assert {finding["measure"] for finding in findings} >= {"throughput", "peak resident", "malloc p99"}
    # So short a run may end before its memory is looked at.
    assert all(one["ratio"]["pairs"] == 9 for one in findings if one["measure"] != "mean resident")
    assert first.json["is_judged"]
    assert len(Results.open(tmp_path / "kept")) == 36
    again = run_workbench(*command, "--latency", "--output", tmp_path / "kept", "--json")
    assert again.json == first.json
    assert_refused(run_workbench(*command, "--output", tmp_path / "kept"), "results of another plan")


def test_compare_on_replays_of_recorded_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    trace = programs.write(tmp_path / "some.haktrace", programs.mixed(2000, seed=1))
    run = run_workbench(
        *("compare", "phases", "--dataset", trace, "--allocators", "glibc,hakmem"),
        *("--rounds", 1, "--seconds", 0.05, "--json"),
    )
    assert run.status == 0, run.stderr
    works = run.json["plan"]["works"]
    assert [work["name"] for work in works] == ["phases", "some"]
    assert works[1]["trial"] == {"workload": "replay", "trace": str(trace)}
    speeds = [one for one in run.json["findings"] if one["measure"] == "throughput"]
    assert {one["work"] for one in speeds} >= {"phases", "some"}


def test_settings_of_the_command_line_are_hakmems() -> None:
    run = run_workbench(
        *("compare", "random_mixed", "--allocators", "glibc,hakmem", "--set", "tls.max_slots=256"),
        *("--variant", "both:tls.grow_percent=60", "--rounds", 1, "--operations", 100, "--json"),
    )
    assert [variant["tunables"] for variant in run.json["plan"]["variants"]] == [
        {},
        {"tls.max_slots": 256},
        {"tls.max_slots": 256, "tls.grow_percent": 60},
    ]


def test_ctrl_c_keeps_what_is_done_and_tells_it(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    command = [
        *(WORKBENCH, "compare", "random_mixed", "--allocators", "glibc,hakmem"),
        *("--rounds", "1000", "--seconds", "0.05", "--output", str(folder), "--json"),
    ]
    with start(command) as process:
        wait_until(lambda: count_results(folder) >= 5)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
    told = json.loads(output)
    assert 2 <= told["rounds"] < 1000
    assert not told["is_judged"]
    assert {finding["verdict"] for finding in told["findings"]} == {"cannot tell"}
    assert "no verdict before the declared rounds" in output
    assert len(Results.open(folder)) >= 5


def test_failures_are_told_and_the_comparison_goes_on(tmp_path: Path) -> None:
    plan = write(
        tmp_path,
        """
        rounds = 2
        allocators = ["glibc", "hakmem"]
        [[works]]
        name = "breaks"
        command = ["python3", "-c", "raise SystemExit('it breaks')"]
        [[works]]
        name = "works"
        command = ["python3", "-c", "pass"]
        """,
    )
    run = run_workbench("compare", "--plan", plan, "--json")
    assert run.status == 1
    assert run.json["rounds"] == 2
    assert run.json["failures"] == {
        f"breaks under {name}: failed: it ended with exit code 1; it said: it breaks": 2
        for name in ("glibc", "hakmem")
    }


def test_a_failure_is_told_once_and_in_one_line(tmp_path: Path) -> None:
    words = " ".join(["word"] * 40)
    command = f"sh -c 'echo {words} >&2; exit 3'"
    run = run_workbench("compare", "--command", command, "--rounds", "2", "--allocators", "glibc,hakmem")
    assert run.status == 1
    (line,) = run.stderr.splitlines()
    assert re.fullmatch(rf"sh under \w+: failed: it ended with exit code 3; it said: {words}", line)
    assert "throughput" not in run.stdout
    assert "elapsed" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "needs a workload"),
        (("larsen",), "did you mean 'larson'"),
        (("larson", "--allocators", "glibc"), "needs two variants"),
        (("larson", "--allocators", "glibc,glibc"), "'glibc' stands twice"),
        (("larson", "--allocators", "glibc,nomalloc"), "nomalloc"),
        (("--dataset", "no_such_dataset", "--allocators", "glibc,hakmem"), "no_such_dataset"),
        (("--dataset", "no/such.haktrace", "--allocators", "glibc,hakmem"), "no/such.haktrace: no such file"),
        (("larson", "--winner", "tight"), "give --export FILE too"),
        (("larson", "--allocators", "glibc,hakmem", "--export", "tuned.ini"), "its ending tells no format"),
        (("larson", "--allocators", "glibc,jemalloc", "--export", "tuned.env"), "say whose settings"),
        (("larson", "--rounds", "0"), "rounds: 0"),
        (("larson", "--rounds", "x"), "'x' is not a valid integer"),
        (("larson", "--looks", "11"), "looks: 11"),
        (("larson", "--seconds", "-1"), "seconds: -1"),
        (("larson", "--seconds", "nan"), "seconds: nan"),
        (("larson", "--seconds", "inf"), "seconds: inf"),
        (("larson", "--allocators", "glibc,"), "a name is empty"),
        (("larson", "--seconds", "1", "--operations", "1"), "by seconds or by operations"),
        (("larson", "--threads", "0"), "threads: 0"),
        (("larson", "--param", "blocks"), "not name=value"),
        (("larson", "--param", "blocks=x"), "'x' is not a number"),
        (("larson", "--param", "blocks=0"), "blocks"),
        (("larson", "--variant", "tight"), "is not NAME:TUNABLE=VALUE"),
        (("larson", "--variant", "tight:tls.max_slots=0"), "out of range"),
        (("larson", "--allocators", "glibc,jemalloc", "--set", "tls.max_slots=256"), "are hakmem's"),
        (("larson", "--plan", "plan.toml"), "--plan says what is compared"),
        (("--plan", "no/such.toml"), "cannot be read"),
    ],
)
def test_wrong_input_of_compare_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    assert_refused(CliRunner().invoke(cli, ["compare", *arguments]), said)


def test_sweep_runs_each_trial_once_and_tells_where(tmp_path: Path) -> None:
    path = write(tmp_path, SWEEP)
    checked = run_workbench("sweep", path, "--check", "--json")
    assert checked.json == {"trials": 24, "done": 0}
    run = run_workbench("sweep", path)
    assert run.status == 0, run.stderr
    assert "24 of 24 runs done, 0 failed" in run.stdout
    assert "tls.grow_percent=" in run.stdout
    folder = tmp_path / "plan.results"
    frame = Results.open(folder).to_frame()
    assert sorted(frame["id"]) == sorted(run.resolve().id for run in read_sweep_plan(path).runs)
    assert Counter(frame["tls.grow_percent"]) == {60: 6, 70: 6, 80: 6, 90: 6}
    assert (folder / "results.parquet").exists()
    before = folder.stat().st_mtime_ns, (folder / "results.parquet").read_bytes()
    assert run_workbench("sweep", path, "--json").json["done"] == 24
    assert before[1] == (folder / "results.parquet").read_bytes()


def test_killed_in_the_middle_nothing_is_lost_or_run_twice(tmp_path: Path) -> None:
    path, folder = write(tmp_path, LONG_SWEEP), tmp_path / "plan.results"
    seen: dict[str, bytes] = {}
    for _ in range(3):
        with start([WORKBENCH, "sweep", path]) as process:
            wanted = len(seen) + 3
            wait_until(lambda wanted=wanted: count_results(folder) >= wanted)  # type: ignore[misc]
            worker = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
            process.wait()
        psutil.wait_procs(worker, timeout=PATIENCE_S)
        assert not any(child.is_running() for child in worker)
        now = {file.name: file.read_bytes() for file in folder.glob("trials/*.json")}
        assert now.items() >= seen.items()  # what was there is there, as it was
        seen = now
    run = run_workbench("sweep", path, "--json")
    assert (run.status, run.json["done"], run.json["failed"]) == (0, 24, {})
    results = {result.id: result for result in Results.open(folder)}
    assert set(results) == {run.resolve().id for run in read_sweep_plan(path).runs}
    for name, text in seen.items():
        assert results[name.removesuffix(".json")].started_s == json.loads(text)["started_s"]


def test_two_sweeps_into_one_folder_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, LONG_SWEEP.replace("0.05", "60.0"))
    with start([WORKBENCH, "sweep", path]) as process:
        wait_until(lambda: any(psutil.Process(process.pid).children()))
        assert_refused(run_workbench("sweep", path), "another process adds results")


def test_a_worker_that_is_killed_is_a_failure_and_the_sweep_goes_on(tmp_path: Path) -> None:
    text = 'workloads = ["random_mixed"]\nseconds = 600.0\n[axes]\nseed = [1, 2]\n'
    with start([WORKBENCH, "sweep", write(tmp_path, text), "--json"]) as process:
        killed: set[int] = set()
        while len(killed) < 2:
            wait_until(
                lambda: (
                    any(child.pid not in killed for child in find_runs(process)) or process.poll() is not None
                )
            )
            for child in find_runs(process):
                if child.pid not in killed:
                    killed.add(child.pid)
                    os.kill(child.pid, signal.SIGSEGV)
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 1
    told = json.loads(output)
    assert told["done"] == 2
    assert all("SIGSEGV" in reason for reason in told["failed"].values())
    assert len(told["failed"]) == 2


def find_runs(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Workers of a sweep that measure now."""
    found = []
    for child in psutil.Process(process.pid).children():
        try:
            if "--ready-descriptor" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def test_ctrl_c_of_a_sweep_keeps_what_is_done(tmp_path: Path) -> None:
    path = write(tmp_path, LONG_SWEEP)
    with start([WORKBENCH, "sweep", path, "--json"]) as process:
        wait_until(lambda: count_results(tmp_path / "plan.results") >= 2)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
    assert 2 <= json.loads(output)["done"] < 24


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no/such.toml",), "cannot be read"),
        (("plan.toml", "--cluster", "localhost"), "no address of a scheduler"),
        (("plan.toml", "--cluster", "tcp://127.0.0.1:x"), "no address of a scheduler"),
        (("plan.toml", "--cluster", "http://127.0.0.1:1"), "no address of a scheduler"),
        (("plan.toml", "--cluster", "tcp://192.0.2.1:8786"), "leaves this machine in the clear"),
        (("plan.toml", "--output", "plan.toml"), "no folder of results"),
    ],
)
def test_wrong_input_of_sweep_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    write(tmp_path, SWEEP)
    monkeypatch.chdir(tmp_path)
    assert_refused(CliRunner().invoke(cli, ["sweep", *arguments]), said)
