"""hakmem-run, as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.workloads.brief import NAMES, SEEDLESS, make_brief
from workbench.allocators import LATENCY_RUNNER, RUNNER
from workbench.processes import Run
from workbench.workloads import known_workloads

TIMEOUT_S = 120


def run(*words: str, runner: Path = RUNNER, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [runner, *words], capture_output=True, text=True, timeout=TIMEOUT_S, check=False, **options
    )


def run_to_report(*words: str) -> dict[str, Any]:
    answer = run(*words)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.count("\n") == 1
    report: dict[str, Any] = json.loads(answer.stdout)
    return report


def words_of(spec: Run) -> list[str]:
    words = ["--workload", spec.workload, "--operations", str(spec.operations)]
    words += ["--threads", str(spec.threads), "--seed", str(spec.seed)]
    return words + [
        word for name, value in spec.parameters.items() for word in ("--param", f"{name}={value:.0f}")
    ]


@pytest.mark.parametrize("workload", NAMES)
def test_a_run_by_operations_reports_itself(workload: str) -> None:
    spec = make_brief(workload, threads=3, seed=5)
    report = run_to_report(*words_of(spec))
    assert report["workload"] == workload
    assert report["operations"] == spec.operations
    assert (report["threads"], report["seed"], report["status"]) == (3, 5, "completed")
    assert report["elapsed_s"] > 0
    assert report["operations_per_s"] == pytest.approx(report["operations"] / report["elapsed_s"], rel=0.01)
    assert report["peak_resident_bytes"] > 2**20


@pytest.mark.parametrize("workload", NAMES)
def test_the_requests_depend_on_seed_and_threads_only(workload: str) -> None:
    def checksum(seed: int, threads: int) -> str:
        return str(run_to_report(*words_of(make_brief(workload, threads=threads, seed=seed)))["checksum"])

    first = checksum(1, 2)
    assert checksum(1, 2) == first
    assert checksum(1, 3) != first
    assert (checksum(2, 2) == first) == (workload in SEEDLESS)


def test_a_run_by_seconds_lasts_as_long() -> None:
    report = run_to_report("--workload", "random_mixed", "--seconds", "0.2")
    assert report["elapsed_s"] >= 0.2


def test_fewer_operations_than_threads() -> None:
    assert run_to_report("--workload", "larson", "--operations", "3", "--threads", "8")["operations"] == 3


def test_threads_hand_over_and_leave_nothing() -> None:
    # Each thread lives for 10 replacements: 3000 threads, and never more than a few at a time.
    words = ["--param", "blocks=10", "--param", "rounds=1", "--threads", "3", "--operations", "30000"]
    assert run_to_report("--workload", "larson", *words)["operations"] == 30000


def test_sizes_of_one_byte() -> None:
    words = ["--param", "min_size=1", "--param", "max_size=9", "--operations", "20000"]
    assert run_to_report("--workload", "larson", *words)["status"] == "completed"


def test_all_pages_can_be_touched() -> None:
    words = ["--workload", "site_churn", "--operations", "200", "--param", "blocks=60"]
    ends = run_to_report(*words)["peak_resident_bytes"]
    whole = run_to_report(*words, "--param", "touched=100")["peak_resident_bytes"]
    assert whole > ends + 30 * 2**20


def build_library(folder: Path, name: str) -> Path:
    compiler = shutil.which("cc")
    assert compiler is not None
    source = Path(__file__).with_name(f"{name}.c")
    library = folder / f"{name}.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    return library


def test_site_churn_calls_from_a_thousand_places(tmp_path: Path) -> None:
    library = build_library(tmp_path, "call_sites")
    words = ["--workload", "site_churn", "--operations", "30000", "--param", "blocks=20"]
    answer = run(*words, env={"LD_PRELOAD": str(library)})
    assert answer.returncode == 0
    assert answer.stderr == "call sites: 1024\n"


@pytest.mark.parametrize("runner", [RUNNER, LATENCY_RUNNER])
@pytest.mark.parametrize("sized_free", [0, 1])
def test_larson_frees_by_size_on_request(tmp_path: Path, runner: Path, sized_free: int) -> None:
    library = build_library(tmp_path, "sized_free")
    words = ["--workload", "larson", "--operations", "10000", "--threads", "1"]
    answer = run(
        *words, "--param", f"sized_free={sized_free}", runner=runner, env={"LD_PRELOAD": str(library)}
    )
    assert answer.returncode == 0
    assert answer.stderr == f"free_sized: {10000 * sized_free} calls, 0 wrong sizes\n"


def test_a_signal_stops_the_run_and_it_still_reports() -> None:
    read_end, write_end = os.pipe()
    words = ["--workload", "larson", "--seconds", "600", "--ready-descriptor", str(write_end)]
    with (
        subprocess.Popen([RUNNER, *words], stdout=subprocess.PIPE, pass_fds=[write_end]) as process,
        os.fdopen(read_end) as ready,
    ):
        os.close(write_end)
        assert ready.readline().strip().endswith(".workload")
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert json.loads(output)["status"] == "stopped"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "--workload NAME is needed"),
        (["--workload", "larsen", "--seconds", "1"], "'larsen' is not the name of a workload"),
        (["--workload", "larson"], "either --seconds S or --operations N is needed"),
        (["--workload", "larson", "--seconds", "1", "--operations", "1"], "either --seconds S or"),
        (["--workload", "larson", "--seconds", "x"], "'x' is not a number"),
        (["--workload", "larson", "--seconds", "-1"], "seconds: -1 is not above 0"),
        (["--workload", "larson", "--operations", "0"], "'0' is not a whole number from 1"),
        (["--workload", "larson", "--operations", "-3"], "'-3' is not a whole number from 1"),
        (["--workload", "larson", "--seconds", "1", "--threads", "257"], "a whole number from 1 to 256"),
        (["--workload", "larson", "--seconds", "1", "--seed"], "--seed needs a value"),
        (["--workload", "larson", "--seconds", "1", "--param", "slots=1"], "has no parameter 'slots'"),
        (["--workload", "larson", "--seconds", "1", "--param", "blocks=0"], "0 is not within 1 to"),
        (["--workload", "larson", "--seconds", "1", "--param", "blocks"], "'blocks' is not NAME=VALUE"),
        (["--workload", "larson", "--seconds", "1", "--fast", "1"], "unknown option '--fast'"),
    ],
)
def test_wrong_words_get_one_clear_line(words: list[str], complaint: str) -> None:
    answer = run(*words)
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert complaint in answer.stderr


def test_the_list_names_everything() -> None:
    text = run("--list").stdout
    for workload in known_workloads().values():
        assert f"{workload.name}: " in text
        for parameter in workload.parameters:
            assert f"  {parameter.name} = " in text
