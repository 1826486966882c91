"""A set of results on disk: nothing is lost, nothing is there twice, whatever ends the writer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.experiments.results_fixture import make_result
from workbench.errors import WrongResults
from workbench.experiments import Results, Run, result_set

RUNS = [Run("random_mixed", operations=100, round=number) for number in range(6)]
RESULTS = [make_result(run, 1e6 + run.round) for run in RUNS]
NUMBERS = st.floats(0, 1e15, allow_nan=False)


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_added_is_read_in_any_order_and_compacted_at_any_time(
    tmp_path: Path, order: list[int], compacted_after: set[int]
) -> None:
    folder = tmp_path / "set"
    shutil.rmtree(folder, ignore_errors=True)
    results = Results.open(folder)
    with results.writing():
        for number in order:
            results.add(RESULTS[number])
            if number in compacted_after:
                results.compact()
    again = Results.open(folder)
    assert list(again) == RESULTS
    assert again.ids == {run.resolve().id for run in RUNS}


@given(rate=NUMBERS, cached=st.none() | NUMBERS, reason=st.text(max_size=40))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_survive_json_and_parquet(
    tmp_path: Path, rate: float, cached: float | None, reason: str
) -> None:
    folder = tmp_path / "set"
    shutil.rmtree(folder, ignore_errors=True)
    printable = reason.encode(errors="ignore").decode()
    result = make_result(
        RUNS[0], rate + 1, mean_cached_bytes=cached, reason=printable, latency_ns={"malloc_p99": rate}
    )
    results = Results.open(folder)
    with results.writing():
        results.add(result)
        assert list(Results.open(folder)) == [result]
        results.compact()
    assert list(Results.open(folder)) == [result]
    assert list(folder.glob("trials/*")) == []


def test_a_kill_between_table_and_removal_doubles_nothing(tmp_path: Path) -> None:
    results = Results.open(tmp_path)
    with results.writing():
        for result in RESULTS:
            results.add(result)
        kept = {path: path.read_text() for path in tmp_path.glob("trials/*.json")}
        results.compact()
    for path, text in kept.items():
        path.write_text(text)
    assert list(Results.open(tmp_path)) == RESULTS


def test_a_half_written_file_is_no_result(tmp_path: Path) -> None:
    results = Results.open(tmp_path)
    with results.writing():
        results.add(RESULTS[0])
    (tmp_path / "trials" / f"{RESULTS[1].id}.json.new").write_text('{"trial": "')
    (tmp_path / "results.parquet.new").write_bytes(b"PAR1")
    assert list(Results.open(tmp_path)) == RESULTS[:1]


def test_what_is_no_result_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "trials"
    folder.mkdir()
    for text in ("", "{", "[]", "3", "{}", "[" * 100_000, '{"trial": 3}'):
        (folder / "x.json").write_text(text)
        with pytest.raises(WrongResults, match=r"x\.json: "):
            Results.open(tmp_path)
    row = RESULTS[0].to_row() | {"trial": '{"workload": "larson", "speed": 3}'}
    (folder / "x.json").write_text(json.dumps(row))
    with pytest.raises(WrongResults, match="field of run 'speed'"):
        Results.open(tmp_path)


def test_another_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "results.parquet").write_text("no table")
    with pytest.raises(WrongResults, match=r"results\.parquet: it is no table of results"):
        Results.open(tmp_path)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "results.parquet")
    with pytest.raises(WrongResults, match=r"results\.parquet: a result has no column"):
        Results.open(tmp_path)
    with pytest.raises(WrongResults, match="no folder of results"):
        Results.open(tmp_path / "results.parquet")


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with (
        Results.open(tmp_path).writing(),
        pytest.raises(WrongResults, match="another process adds"),
        Results.open(tmp_path).writing(),
    ):
        pass


def test_results_of_another_plan_are_not_mixed(tmp_path: Path) -> None:
    results = Results.open(tmp_path)
    with results.writing():
        results.declare({"rounds": 3, "seed": 1})
        results.declare({"seed": 1, "rounds": 3})
        with pytest.raises(WrongResults, match="another plan"):
            results.declare({"rounds": 4, "seed": 1})


def test_results_without_a_plan_are_not_taken_over(tmp_path: Path) -> None:
    results = Results.open(tmp_path)
    with results.writing():
        results.add(RESULTS[0])
        with pytest.raises(WrongResults, match="without a plan"):
            results.declare({"rounds": 3})


def test_the_frame_has_a_row_a_trial_and_units_in_its_columns() -> None:
    results = Results(Path("unused"))
    runs = [
        Run("random_mixed", parameters={"slots": 100}, tunables={"tls.grow_percent": 60}, seconds=1.0),
        Run("random_mixed", seconds=1.0, allocator="glibc"),
    ]
    for number, run in enumerate(runs):
        result = make_result(run, latency_ns={"malloc_p99": 5.0, "malloc_count": 7}, started_s=float(number))
        results._by_id[run.resolve().id] = result
    frame = results.to_frame()
    assert len(frame) == 2
    assert list(frame["parameter.slots"]) == [100, 256]
    assert frame["tls.grow_percent"].iloc[0] == 60
    assert frame["tls.grow_percent"].isna().iloc[1]
    assert list(frame["malloc_p99_ns"]) == [5, 5]
    assert list(frame["malloc_count"]) == [7, 7]
    assert list(frame["threads"]) == [1, 1]
    for column in ("parameter.max_size_bytes", "peak_resident_bytes", "elapsed_s", "machine.memory_bytes"):
        assert column in frame


def test_an_empty_set_has_an_empty_frame(tmp_path: Path) -> None:
    assert len(Results.open(tmp_path / "none").to_frame()) == 0


def test_who_holds_a_set_is_seen(tmp_path: Path) -> None:
    results = Results.open(tmp_path / "set")
    assert not results.is_held
    with results.writing():
        assert Results.open(tmp_path / "set").is_held
    assert not results.is_held


def test_an_interrupt_after_a_result_is_written_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(path: Path) -> None:
        raise KeyboardInterrupt

    results = Results.open(tmp_path / "set")
    with results.writing():
        results.add(RESULTS[0])
        results.compact()
        with monkeypatch.context() as patched:
            patched.setattr(result_set, "_sync", interrupt)
            with pytest.raises(KeyboardInterrupt):
                results.add(RESULTS[1])
        results.compact()
        assert list(results) == RESULTS[:2]
    assert list(Results.open(tmp_path / "set")) == RESULTS[:2]


def test_results_of_before_there_was_telemetry_can_be_read() -> None:
    result = make_result(Run("random_mixed", operations=1000))
    row = result.to_row()
    del row["telemetry"]
    assert type(result).from_row(row) == result
    assert type(result).from_row(row | {"telemetry": None}) == result
