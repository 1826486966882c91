"""Recorded traces and datasets as what a run does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.replay import programs
from workbench.errors import BadParameter, UnknownDataset, WorkbenchError
from workbench.experiments import Run, measure_run, read_comparison_plan, read_sweep_plan
from workbench.experiments.table import tabulate_results
from workbench.units import MIB


@pytest.fixture(autouse=True)
def plan_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return programs.write(tmp_path / "mixed.haktrace", programs.mixed(600, seed=3))


def test_a_replay_is_measured_to_its_end(recording: Path) -> None:
    run = Run("replay", {"loops": 3}, trace=str(recording))
    assert Run.from_json(run.to_json()) == run
    result = measure_run(run, warm_bytes=MIB)
    assert (result.status, result.reason) == ("completed", "")
    once = measure_run(Run("replay", trace=str(recording)), warm_bytes=MIB)
    assert result.operations == 3 * once.operations > 0
    frame = tabulate_results([result])
    assert list(frame["workload"]) == ["replay of mixed"]
    assert list(frame["parameter.loops_times"]) == [3]


def test_it_is_known_by_its_events_and_not_by_its_place(recording: Path, tmp_path: Path) -> None:
    copy = shutil.copy(recording, tmp_path / "copy.haktrace")
    other = programs.write(tmp_path / "other.haktrace", programs.mixed(600, seed=4))
    run = Run("replay", trace=str(recording))
    assert run.resolve().id == Run("replay", {"loops": 1}, trace=str(copy)).resolve().id
    assert run.resolve().id != Run("replay", trace=str(other)).resolve().id


@pytest.mark.parametrize(
    ("run", "error", "said"),
    [
        (Run("replay"), BadParameter, "needs a trace"),
        (Run("replay", trace="no/such.haktrace"), UnknownDataset, "no such file"),
        (Run("replay", trace="nothing of that name"), UnknownDataset, "unknown dataset"),
    ],
)
def test_a_trace_that_is_not_there_is_named(run: Run, error: type[WorkbenchError], said: str) -> None:
    with pytest.raises(error, match=said):
        run.check()
    if run.trace is not None:
        with pytest.raises(error, match=said):
            _ = run.resolve().id


def test_other_workloads_replay_nothing(recording: Path) -> None:
    with pytest.raises(BadParameter, match="workload larson replays none"):
        Run("larson", trace=str(recording)).check()


def test_files_of_plans_name_datasets_and_traces(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        'datasets = ["mixed.haktrace"]\nseconds = 1.0\nthreads = 2\nworkloads = ["phases"]\n'
        '[[works]]\ntrace = "mixed.haktrace"\nname = "often"\nparameters = { loops = 5 }\n'
    )
    runs = read_sweep_plan(path).runs
    assert [(run.workload, run.seconds, run.threads) for run in runs] == [
        ("phases", 1.0, 2),
        ("replay", None, None),
        ("replay", None, None),
    ]
    path.write_text('datasets = ["mixed.haktrace"]\nallocators = ["glibc", "hakmem"]\n')
    plan = read_comparison_plan(path)
    plan.check()
    assert [work.name for work in plan.works] == ["mixed"]
