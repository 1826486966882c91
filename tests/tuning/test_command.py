"""tune as a user types it: a real study, kills, Ctrl-C, candidates that are given, wrong input."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from tests.cli.terminal import PATIENCE_S, WORKBENCH, assert_refused, run_workbench, start, wait_until
from tests.tuning.fakes import write_study
from workbench.cli import cli
from workbench.experiments import Results

REAL = """
workloads = ["random_mixed"]
operations = 20000
trials = 2
rounds = 6
[search]
"tls.grow_percent" = {}
"route.profile" = {}
[held_out]
workloads = ["phases"]
rounds = 2
"""
LONG = REAL.replace("operations = 20000", "seconds = 0.05").replace("trials = 2", "trials = 3")


def count_runs(folder: Path) -> int:
    return len(list((folder / "study.results").glob("trials/*.json")))


def test_a_study_from_its_file_to_its_end(tmp_path: Path) -> None:
    path = write_study(tmp_path, REAL)
    checked = run_workbench("tune", path, "--check")
    assert (checked.status, checked.stderr) == (0, "")
    assert "2 trials of up to 6 rounds on random_mixed" in checked.stdout
    assert "conservative, hot, off, full" in checked.stdout
    assert not (tmp_path / "study.db").exists()
    assert_refused(run_workbench("tune", path, "--show"), "it has not begun; run `workbench tune")
    for url in ("sqlite:///{}/typo.db", "sqlite:///file:{}/typo.db?uri=true"):
        shown = run_workbench("tune", path, "--show", "--storage", url.format(tmp_path))
        assert_refused(shown, "typo.db", "there is no study 'study'")
    (tmp_path / "empty.db").touch()
    shown = run_workbench("tune", path, "--show", "--storage", f"sqlite:///{tmp_path}/empty.db")
    assert_refused(shown, "there is no study 'study'")
    assert (tmp_path / "empty.db").stat().st_size == 0
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["empty.db", "study.toml"]
    run = run_workbench("tune", path)
    assert run.status == 0, run.stderr
    assert "2 trials finished of 2" in run.stdout
    assert "nothing beats the defaults" in run.stdout or "best so far: trial" in run.stdout
    assert (tmp_path / "study.db").exists()
    results = Results.open(tmp_path / "study.results")
    assert all(result.is_measured and result.run.allocator == "hakmem" for result in results)
    before = len(results)
    shown = run_workbench("tune", path, "--show", "--json")
    assert shown.json["finished"] == 2
    assert [one["number"] for one in shown.json["trials"]] == [0, 1]
    more = run_workbench("tune", path, "--trials", 1, "--no-held-out", "--json")
    assert more.json["finished"] == 3
    given = run_workbench("tune", path, "--inject", "tls.grow_percent=66", "--no-held-out", "--json")
    assert given.json["trials"][3]["settings"] == {"tls.grow_percent": 66, "route.profile": "conservative"}
    assert given.json["trials"][3]["is_injected"]
    assert len(Results.open(tmp_path / "study.results")) > before


def test_killed_at_any_moment_nothing_is_lost_or_run_twice(tmp_path: Path) -> None:
    path = write_study(tmp_path, LONG)
    seen: dict[str, bytes] = {}
    for _ in range(3):
        with start([WORKBENCH, "tune", path]) as process:
            wanted = len(seen) + 3
            wait_until(lambda wanted=wanted: count_runs(tmp_path) >= wanted)  # type: ignore[misc]
            workers = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
            process.wait()
        psutil.wait_procs(workers, timeout=PATIENCE_S)
        assert not any(child.is_running() for child in workers)
        now = {file.name: file.read_bytes() for file in (tmp_path / "study.results").glob("trials/*.json")}
        assert now.items() >= seen.items()
        seen = now
    run = run_workbench("tune", path, "--no-held-out", "--json")
    assert run.status == 0, run.stderr
    assert run.json["finished"] == 3
    # One after the other, each with its first pair first: nobody was left out.
    assert [one["number"] for one in run.json["trials"]] == [0, 1, 2]
    assert all(one["pairs"] >= 4 for one in run.json["trials"])
    results = {result.id: result for result in Results.open(tmp_path / "study.results")}
    for name, text in seen.items():
        assert results[name.removesuffix(".json")].started_s == json.loads(text)["started_s"]
    pairs = sum(one["pairs"] for one in run.json["trials"])
    assert len(results) == 2 * pairs


def test_ctrl_c_keeps_everything_and_tells_how_it_stands(tmp_path: Path) -> None:
    path = write_study(tmp_path, LONG)
    with start([WORKBENCH, "tune", path, "--json"]) as process:
        wait_until(lambda: count_runs(tmp_path) >= 3)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
    told = json.loads(output)
    assert told["trials"][-1]["outcome"] == "running"
    kept = len(Results.open(tmp_path / "study.results"))
    assert kept >= 3
    run = run_workbench("tune", path, "--no-held-out", "--json")
    assert run.json["finished"] == 3
    assert len(Results.open(tmp_path / "study.results")) == 2 * sum(
        one["pairs"] for one in run.json["trials"]
    )


def test_a_candidate_given_to_a_study_that_runs_is_queued_for_it(tmp_path: Path) -> None:
    path = write_study(tmp_path, LONG.replace("seconds = 0.05", "seconds = 60.0"))
    with start([WORKBENCH, "tune", path]) as process:
        wait_until(lambda: any(psutil.Process(process.pid).children()))
        given = run_workbench("tune", path, "--inject", "tls.grow_percent=60,route.profile=full")
        assert (given.status, given.stderr) == (0, "")
        assert "queued: the process that runs this study tries it next" in given.stdout
        assert_refused(run_workbench("tune", path), "another process adds results")
        told = run_workbench("tune", path, "--show", "--json").json["trials"]
        assert [one["outcome"] for one in told] == ["running", "queued"]
        assert told[1]["settings"] == {"tls.grow_percent": 60, "route.profile": "full"}


def test_a_worker_that_is_killed_fails_its_candidate_and_the_study_goes_on(tmp_path: Path) -> None:
    text = LONG.replace("seconds = 0.05", "seconds = 600.0").replace("trials = 3", "trials = 2")
    with start([WORKBENCH, "tune", write_study(tmp_path, text), "--json", "--no-held-out"]) as process:
        killed: set[int] = set()

        def find_worker() -> list[psutil.Process]:
            children = psutil.Process(process.pid).children()
            return [
                child
                for child in children
                if child.pid not in killed
                and child.status() != psutil.STATUS_ZOMBIE
                and "--ready-descriptor" in child.cmdline()
            ]

        while process.poll() is None:
            try:
                wait_until(lambda: process.poll() is not None or bool(find_worker()))
                for worker in find_worker():
                    killed.add(worker.pid)
                    worker.send_signal(signal.SIGSEGV)
            except psutil.NoSuchProcess:
                continue
        output, _ = process.communicate(timeout=PATIENCE_S)
    told = json.loads(output)
    assert [one["outcome"] for one in told["trials"]] == ["failed", "failed"]
    assert all("SIGSEGV" in one["reason"] for one in told["trials"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("no/such.toml",), "cannot be read"),
        (("study.toml", "--trials", "-1"), "-1 is not in the range"),
        (("study.toml", "--trials", "x"), "'x' is not a valid integer"),
        (("study.toml", "--inject", "tls.grow_percent"), "is not name=value"),
        (
            ("study.toml", "--inject", "tls.grow=60"),
            "did you mean 'tls.grow_percent' or 'tls.grow_exchange_percent'",
        ),
        (("study.toml", "--inject", "tls.grow_percent=10"), "out of range: 50 to 99 %"),
        (("study.toml", "--inject", "tls.max_slots=512"), "unknown tunable of this study"),
        (("study.toml", "--show", "--trials", "3"), "--show and --check run nothing"),
        (("study.toml", "--no-held-out", "--export", "a.toml"), "leave out --no-held-out"),
        (("study.toml", "--export", "a.txt"), "its ending tells no format"),
        (("study.toml", "--export", "no/such/a.toml"), "there is no such folder"),
        (("study.toml", "--storage", "nonsense"), "'nonsense' is no URL of a database"),
        (("study.toml", "--output", "study.toml"), "no folder of results"),
    ],
)
def test_wrong_input_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    write_study(tmp_path, REAL)
    monkeypatch.chdir(tmp_path)
    assert_refused(CliRunner().invoke(cli, ["tune", *arguments]), said)
