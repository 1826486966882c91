"""compare on programs of the user's, as a user types it: names, figures, preparation, what goes wrong."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from tests.cli.terminal import (
    PATIENCE_S,
    WORKBENCH,
    Finished,
    assert_refused,
    run_workbench,
    start,
    wait_until,
)
from workbench.cli import cli
from workbench.experiments import Results, Run, measure_run, read_comparison_plan, read_sweep_plan

COUNT = "echo run >> runs; echo 'took 3 ms'; echo 'took 4.5 ms'; echo '{\"a\": [{\"rate\": 7}]}'"
ONLY_HAKMEM = 'case "$LD_PRELOAD" in *hakmem*) {} ;; esac'


def compare(*words: object, rounds: int = 2) -> Finished:
    """Type it in this process, whose start is spared; where it runs, `chdir` says."""
    arguments = ("compare", *words, "--allocators", "glibc,hakmem", "--rounds", rounds, "--json")
    done = CliRunner().invoke(cli, list(map(str, arguments)))
    return Finished(done.exit_code, done.stdout, done.stderr)


@pytest.fixture(autouse=True)
def user_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the user is."""
    monkeypatch.chdir(tmp_path)


def script(folder: Path, text: str) -> str:
    path = folder / "build.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return "./build.sh"


def count(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_a_program_is_compared_in_the_users_folder_with_warmup_preparation_and_figures(
    tmp_path: Path,
) -> None:
    words = (
        *("--command", script(tmp_path, COUNT), "--prepare", "sh -c 'echo >> prepared'", "--warmup", 1),
        *("--figure", r"time:ms=regex:took ([\d.]+) ms", "--figure", "rate:1/s,higher=json:a.0.rate"),
        *("--output", "kept"),
    )
    done = compare(*words)
    assert done.status == 0, done.stderr
    assert count(tmp_path / "runs") == count(tmp_path / "prepared") == 2 + 2 * 2
    told = {one["measure"]: one for one in done.json["findings"]}
    assert {one["work"] for one in told.values()} == {"build.sh"}
    assert {"elapsed", "processor time", "page faults", "time", "rate"} <= told.keys()
    assert (told["time"]["value"], told["time"]["unit"], told["rate"]["value"]) == (4.5, "ms", 7)
    frame = Results.open(tmp_path / "kept").to_frame()
    assert list(frame["time_ms"]) == [4.5] * 4
    assert (frame["page faults"] > 0).all()
    assert compare(*words).json == done.json  # nothing runs again
    assert count(tmp_path / "runs") == 6


def test_probes_are_measures(tmp_path: Path) -> None:
    (tmp_path / "depth").write_text("3 jobs")
    switch = "for n in 1 2 3 4 5 6 7 8; do sleep 0.05; done"
    done = compare(
        *("--command", script(tmp_path, switch), "--rounds", 1),
        *("--figure", "switches:switches=probe:process.context_switches"),
        *("--figure", "depth:jobs,higher=probe:depth:jobs=file:depth"),
    )
    assert done.status == 0, done.stderr
    told = {one["measure"]: one for one in done.json["findings"]}
    assert (told["depth"]["value"], told["depth"]["unit"]) == (3, "jobs")
    assert told["switches"]["value"] >= 8


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("depth=echo deep", "the command gave 'deep'; a number is wanted"),
        ("depth=file:/nonexistent", "No such file"),
        ("depth=sleep 3600", "it was not read while the program ran"),
    ],
)
def test_a_probe_that_shows_nothing_fails_the_run(tmp_path: Path, source: str, reason: str) -> None:
    command = script(tmp_path, "sleep 0.3")
    failed = compare("--command", command, "--rounds", 1, "--figure", f"depth=probe:{source}")
    assert failed.status == 1
    assert f"figure depth: {reason}" in " ".join(failed.stderr.split()).replace("/nonexistent: ", "")


def test_a_shell_runs_what_needs_one_and_names_tell_commands_apart(tmp_path: Path) -> None:
    done = compare(
        *("--shell", "--command", "seq 9 | sort -r > sorted", "--command", "seq 8 | wc -l"),
        *("--command-name", "sorting", "--prepare", "rm -f sorted && test ! -e sorted"),
    )
    assert done.status == 0, done.stderr
    assert [work["name"] for work in done.json["plan"]["works"]] == ["sorting", "seq 8 | wc -l"]
    assert (tmp_path / "sorted").read_text().startswith("9\n8\n")


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("echo 'bad luck'; exit 3", (), "failed: it ended with exit code 3; it said: bad luck"),
        ("kill -SEGV $$", (), "crashed: it was ended by SIGSEGV"),
        ("sleep 600", ("--timeout", 0.2), "timed out: it did not end in time"),
        (
            "echo no figure",
            ("--figure", "rate=regex:rate (.*)"),
            "figure rate: nothing in the output matches",
        ),
        (
            "echo rate fast",
            ("--figure", "rate=regex:rate (.*)"),
            "figure rate: 'fast' is not a finite number",
        ),
        ("echo '{\"a\": 1}'", ("--figure", "rate=json:b"), "figure rate: the output has no b in JSON"),
        ("true", ("--prepare", "sh -c 'echo no disk; exit 1'"), "exit code 1; it said: no disk"),
        ("echo $LD_PRELOAD", (), "its output is not that of the first run"),
    ],
)
def test_what_goes_wrong_ends_the_comparison_with_its_reason(
    tmp_path: Path, text: str, options: tuple[object, ...], said: str
) -> None:
    command = script(tmp_path, text)
    done = compare("--command", command, *options, "--output", "kept", rounds=20)
    assert done.status == 1
    ((reason, times),) = done.json["failures"].items()
    assert said in reason
    assert times == 1
    assert 1 <= len(Results.open(tmp_path / "kept")) <= 2


def test_a_failure_under_one_allocator_can_be_a_row_and_be_ignored(tmp_path: Path) -> None:
    crash = script(tmp_path, ONLY_HAKMEM.format("kill -SEGV $$"))
    done = compare("--command", crash, "--ignore-failure")
    assert done.status == 1
    assert done.json["rounds"] == 2
    assert done.json["failures"] == {"build.sh under hakmem: crashed: it was ended by SIGSEGV": 2}
    code = script(tmp_path, ONLY_HAKMEM.format("exit 3"))
    assert compare("--command", code, "--ignore-failure").status == 0
    output = script(tmp_path, "echo $LD_PRELOAD")
    assert compare("--command", output, "--any-output").status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--command", "no-such-program -x"), "no-such-program: no such program on PATH"),
        (("--command", "sort 'open"), "no closing quotation"),
        (("--command", " "), "a command is empty"),
        (("--command", "true", "--timeout", "0"), "timeout_s: 0"),
        (("--command", "true", "--warmup", "-1"), "warmup: -1"),
        (("--command", "true", "--figure", "rate"), "is not NAME:UNIT,higher=regex:PATTERN"),
        (("--command", "true", "--figure", "rate=regex:("), "is no regular expression"),
        (("--command", "true", "--figure", "switches=probe:process.context_switch"), "did you mean"),
        (("--command", "true", "--figure", "elapsed=regex:x"), "figure elapsed: another figure or a measure"),
        (("--command", "true", "--command-name", "a", "--command-name", "b"), "2 names for 1 commands"),
        (("larson", "--prepare", "true"), "--prepare can only be given with a --command"),
    ],
)
def test_wrong_commands_are_refused_before_anything_runs(words: tuple[str, ...], said: str) -> None:
    assert_refused(compare(*words), said)


def test_ctrl_c_leaves_nothing_running(tmp_path: Path) -> None:
    command = script(tmp_path, "sleep 600 & echo $! > pid; wait")
    words = (WORKBENCH, "compare", "--command", command, "--allocators", "glibc,hakmem")
    pid = tmp_path / "pid"
    with start([*words, "--output", str(tmp_path / "kept")], cwd=tmp_path) as process:
        wait_until(lambda: pid.exists() and pid.read_text().endswith("\n"))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130
    wait_until(lambda: not psutil.pid_exists(int(pid.read_text())))


def test_plans_have_the_same_fields(tmp_path: Path) -> None:
    script(tmp_path, COUNT)
    works = """
        [[works]]
        name = "mine"
        command = "./build.sh --fast | tail -n 3"
        shell = true
        prepare = "true"
        folder = "."
        timeout_s = 60
        figures = [{ name = "time", unit = "ms", regex = "took (.*) ms" }]
    """
    path = tmp_path / "plan.toml"
    path.write_text(f'allocators = ["glibc", "hakmem"]\nwarmup = 1\nends_on_failure = true\n{works}')
    plan = read_comparison_plan(path)
    plan.check()
    assert (plan.warmup, plan.ends_on_failure, plan.compares_output) == (1, True, False)
    run = plan.works[0].run
    assert run.command == ("/bin/sh", "-c", "./build.sh --fast | tail -n 3")
    assert Run.from_json(run.to_json()) == run
    assert measure_run(run, warm_bytes=0).figures["time"] == 4.5
    path.write_text(f'{works}\n[axes]\n"tls.grow_percent" = [60, 80]\n')
    assert len(read_sweep_plan(path)) == 2


def test_a_command_without_the_new_fields_is_what_it_was() -> None:
    run = Run("sort", command=("sort", "--version"), allocator="glibc")
    assert run.to_dict() == {"workload": "sort", "command": ["sort", "--version"], "allocator": "glibc"}
    assert run.resolve().content.keys() == {"workload", "seed", "allocator", "round", "command", "inputs"}
    assert run.resolve().id == "b7466a7101a65cdd6d04521c84922eb9"


def test_a_claim_about_a_program_is_tried_only_if_its_file_is_trusted(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    slow = 'case "$LD_PRELOAD" in *hakmem*) ;; *) sleep 0.05;; esac'
    command = script(tmp_path, f"{slow}; echo run >> {mark}")
    words = ("compare", "--command", command, "--allocators", "glibc,hakmem", "--rounds", 10, "--json")
    made = run_workbench(*words, "--export", "tuned.toml", cwd=tmp_path)
    assert made.status == 0, made.stderr
    ran = count(mark)
    refused = run_workbench("verify", "tuned.toml", "--rounds", 1, cwd=tmp_path)
    assert refused.status == 2
    assert f"it runs `{command}`" in refused.stderr
    assert run_workbench("verify", "tuned.toml", "--check", cwd=tmp_path).status == 0
    assert count(mark) == ran
    assert run_workbench("verify", "tuned.toml", "--rounds", 1, "--run-commands", cwd=tmp_path).status != 2
    assert count(mark) > ran
