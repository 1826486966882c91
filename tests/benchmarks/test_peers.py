"""The declared benchmark: what is in its plan, that it goes on after a kill, what it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks import peers
from benchmarks.declared import cut_plan, replace_between
from benchmarks.peers_chart import draw_chart
from benchmarks.peers_tables import compare_with_peers
from workbench.errors import BadParameter
from workbench.experiments import ComparisonPlan, Results, read_comparison_plan

PEERS = ["glibc", "jemalloc", "tcmalloc", "mimalloc2", "mimalloc3"]
SMALL = ["--rounds", "1", "--seconds", "0.02", "--only", "pair / 1,lua"]

# How many rows there are of each.
ROWS = {
    "larson 1 1000 100 10000": 1,
    "python3": 1,
    "gcc -O1": 1,
    "sqlite3": 1,
    "lua": 1,
    "perl": 1,
    "redis": 1,
    "Rust": 1,
    "remote": 2,
    "swap": 2,
    "large every page touched": 2,
    "realloc_growth": 2,
    "calloc_churn": 2,
    "producer_consumer": 2,
    "pareto": 2,
    "cache_thrash": 2,
    "cache_scratch": 2,
    "pair": 3,
    "random_mixed 256 slots": 3,
    "random_mixed 8192 slots": 3,
    "batch": 3,
    "large ends touched": 3,
    "larson 8 1000 5000 100": 3,
    "larson 8 128 1024 1": 3,
    "sh8": 3,
    "mstress": 3,
}


@pytest.fixture(scope="module")
def plan(repository: Path) -> ComparisonPlan:
    return read_comparison_plan(repository / "benchmarks" / "peers.toml")


def run_peers(repository: Path, folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.peers", "--results", str(folder), *words]
    return subprocess.Popen(
        command, cwd=repository, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_the_plan_can_be_run(plan: ComparisonPlan) -> None:
    # Rust's compiler is fetched by `make bench` alone.
    works = tuple(work for work in plan.works if not work.name.startswith("Rust"))
    compiled = replace(plan, works=works)
    peers.BENCHMARK.make_inputs(compiled)
    compiled.check()
    assert [variant.name for variant in plan.variants] == ["hakmem", *PEERS]
    for work in plan.works:
        _, _, threads = work.name.partition(" / ")
        assert threads == ("" if work.run.command else str(work.run.threads)), work.name


@pytest.mark.parametrize("name", ROWS)
def test_no_row_is_missing(plan: ComparisonPlan, name: str) -> None:
    assert sum(work.name.startswith(name) for work in plan.works) == ROWS[name]


def test_a_cut_keeps_what_is_wanted(plan: ComparisonPlan) -> None:
    cut = cut_plan(plan, 3, 0.5, "pair, lua")
    assert [work.name for work in cut.works] == ["pair / 1", "pair / 2", "pair / 4", "lua"]
    assert (cut.rounds, cut.works[0].run.seconds, cut.works[3].run.seconds) == (3, 0.5, None)
    with pytest.raises(BadParameter, match="no work begins with 'pear'; there are pair; random_mixed"):
        cut_plan(plan, None, None, "pair,pear")


def test_killed_in_the_middle_it_goes_on(repository: Path, tmp_path: Path, plan: ComparisonPlan) -> None:
    folder = tmp_path / "small.results"
    killed = run_peers(repository, folder, *SMALL)
    try:
        while len(list((folder / "trials").glob("*.json"))) < 3:
            assert killed.poll() is None, killed.communicate()
            time.sleep(0.005)  # polls the file system
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    done = {path.name: path.stat().st_mtime_ns for path in (folder / "trials").glob("*.json")}
    process = run_peers(repository, folder, *SMALL)
    said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    results = Results.open(folder)
    assert len(results) == 2 * 6
    started_s = {result.id: result.started_s for result in results}
    for name, changed_ns in done.items():
        assert started_s[name.removesuffix(".json")] * 1e9 < changed_ns, "it was run once"
    assert f"of {12 - len(done)} runs" in errors
    report = (folder / "report.md").read_text()
    assert report.strip() in said
    assert "make bench ROUNDS=1 SECONDS=0.02 ONLY='pair / 1,lua'" in report
    assert "Whole programs wrote the same under all allocators." in report
    assert "too few rounds" in report
    assert "Processor time of whole programs" in report
    assert report.count("| pair | 1 |") == 2
    chart = ET.fromstring((folder / "chart.svg").read_text())
    assert chart.tag.endswith("svg")
    assert "pair / 1" in "".join(chart.itertext())
    # A short run leaves the documents alone.
    assert "written to" not in said
    # From the same results, in process: every peer has its median and ratio.
    rows = compare_with_peers(cut_plan(plan, 1, 0.02, "pair / 1,lua"), results)
    assert set(rows[0].speed) == {"hakmem", *PEERS}
    assert rows[0].best_peer in PEERS
    assert set(rows[1].peak_ratios) == set(PEERS)


def test_ctrl_c_keeps_what_is_done(repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "small.results"
    process = run_peers(repository, folder, "--rounds", "1000", "--seconds", "0.02", "--only", "pair / 1")
    while len(list((folder / "trials").glob("*.json"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)  # polls the file system
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "the same command goes on" in errors
    assert len(Results.open(folder)) >= 2


def test_wrong_words_are_one_clear_line(repository: Path, tmp_path: Path) -> None:
    for words, said in (
        (("--only", "pear"), "no work begins with 'pear'"),
        (("--rounds", "0", "--only", "pair"), "rounds: 0 is not within 1"),
        (("--seconds", "-1", "--only", "pair"), "-1"),
    ):
        process = run_peers(repository, tmp_path / "none", *words)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2
        assert said in errors
        assert len(errors.splitlines()) == 1, errors


def test_text_is_put_between_its_markers_only(tmp_path: Path) -> None:
    path = tmp_path / "document.md"
    path.write_text("before\n<!-- one: begin -->\nold\n<!-- one: end -->\nafter\n")
    replace_between(path, "one", "    new \\1 text\n")
    wanted = "before\n<!-- one: begin -->\n\n    new \\1 text\n\n<!-- one: end -->\nafter\n"
    assert path.read_text() == wanted
    replace_between(path, "one", "    new \\1 text\n")
    assert path.read_text() == wanted
    with pytest.raises(BadParameter, match="there is no '<!-- two: begin -->'"):
        replace_between(path, "two", "new")


def test_the_document_has_the_markers(repository: Path) -> None:
    text = (repository / "docs" / "benchmarks.md").read_text()
    for name in ("peers", "adaptive"):
        assert text.count(f"<!-- {name}: begin -->") == text.count(f"<!-- {name}: end -->") == 1


def test_a_chart_of_nothing_is_a_chart() -> None:
    assert draw_chart([]).startswith("<svg")
