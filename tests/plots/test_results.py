"""Results to arrays and figures: effects, heat map, Pareto front, ratios."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.experiments.results_fixture import make_result
from workbench.errors import BadParameter
from workbench.experiments import (
    PEAK_RESIDENT,
    Comparison,
    ComparisonPlan,
    Plan,
    Results,
    Run,
    Variant,
    Work,
    conclude,
)
from workbench.experiments.inference import find_front
from workbench.plots import (
    draw_effects,
    draw_front,
    draw_heat_map,
    draw_parallel,
    draw_ratios,
    find_effects,
    find_heat_map,
    join_rounds,
    list_settings,
)

NUMBERS = st.integers(0, 20).map(float)
BASE = Run("random_mixed", operations=100)


def make_frame() -> pd.DataFrame:
    """A grid in which throughput is grow percent × threads, and the last run failed."""
    plan = Plan.from_grid(BASE, {"tls.grow_percent": [60, 70, 80], "threads": [1, 2]}, rounds=3)
    results = Results(Path("unused"))
    for run in plan.runs:
        rate = float(str(run.tunables["tls.grow_percent"])) * float(run.threads or 1)
        result = make_result(run, rate, peak_resident_bytes=rate * 10)
        results._by_id[run.resolve().id] = result
    failed = plan.runs[-1]
    results._by_id[failed.resolve().id] = make_result(failed, 1e9, status="crashed")
    return results.to_frame()


def make_comparison(rounds: int = 9) -> Comparison:
    plan = ComparisonPlan((Work("w", BASE),), (Variant("glibc", "glibc"), Variant("hakmem")), rounds)
    results = Results(Path("unused"))
    for cell in plan.list_cells():
        rate = 2e6 if cell.variant == "hakmem" else 1e6
        results._by_id[cell.run.resolve().id] = make_result(cell.run, rate)
    return conclude(plan, results)


def test_settings_that_differ_are_found() -> None:
    assert list_settings(make_frame()) == ["threads", "tls.grow_percent"]
    assert list_settings(pd.DataFrame()) == []


def test_main_effects_are_medians_of_what_was_measured() -> None:
    effects = find_effects(make_frame(), "operations_per_s")
    assert list(effects) == ["threads", "tls.grow_percent"]
    threads, grow = effects.values()
    assert list(threads.index) == [1, 2]
    assert list(threads["median"]) == pytest.approx([70, 140], abs=20)
    assert list(grow.index) == [60, 70, 80]
    assert grow["median"][60] == pytest.approx(90)
    assert (grow["low"] <= grow["median"]).all()
    assert (grow["median"] <= grow["high"]).all()
    assert max(grow["high"]) < 1e9


def test_a_heat_map_has_both_levels() -> None:
    heat = find_heat_map(make_frame(), "threads", "tls.grow_percent", "operations_per_s")
    assert [int(level) for level in heat.columns] == [1, 2]
    assert list(heat.index) == [60, 70, 80]
    assert heat.to_numpy() == pytest.approx(np.array([[60, 120], [70, 140], [80, 160]]))


def test_rounds_are_joined() -> None:
    joined = join_rounds(make_frame(), ["operations_per_s"])
    assert len(joined) == 6
    assert len(join_rounds(make_frame().head(1), ["operations_per_s"])) == 1


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=40))
def test_the_front_is_what_nobody_beats(points: list[tuple[float, float]]) -> None:
    gain = np.array([point[0] for point in points])
    cost = np.array([point[1] for point in points])
    on_front = find_front(np.column_stack([gain, -cost]))
    for index in range(len(points)):
        beaten = (gain >= gain[index]) & (cost <= cost[index]) & ((gain > gain[index]) | (cost < cost[index]))
        assert on_front[index] == (not beaten.any())


def test_what_is_no_number_is_not_on_the_front() -> None:
    assert not find_front(np.array([[np.nan, 1.0], [1.0, np.nan]])).any()


@pytest.mark.parametrize("column", ["speed", ""])
def test_a_wrong_column_is_named(column: str) -> None:
    with pytest.raises(BadParameter, match="unknown column"):
        find_effects(make_frame(), column)
    with pytest.raises(BadParameter, match="unknown column"):
        find_heat_map(make_frame(), column, "threads", "operations_per_s")


def test_figures_show_what_was_found() -> None:
    frame = make_frame()
    assert len(draw_effects(frame, "operations_per_s").data) == 2
    assert draw_heat_map(frame, "threads", "tls.grow_percent", "operations_per_s").data[0].z.shape == (3, 2)
    labels = [dimension.label for dimension in draw_parallel(frame, "operations_per_s").data[0].dimensions]
    assert labels == ["threads", "tls.grow_percent", "operations_per_s"]
    points, front = draw_front(frame).data
    assert len(points.x) == 6
    assert set(front.x) <= set(points.x)
    (trace,) = draw_ratios(make_comparison()).data
    assert (list(trace.y), trace.name) == (["w · hakmem"], "better")
    assert list(trace.x) == pytest.approx([2.0])
    (memory,) = draw_ratios(make_comparison(), PEAK_RESIDENT).data
    assert list(memory.x) == pytest.approx([1.0])
    few = draw_ratios(make_comparison(rounds=2)).data[0]
    assert list(few.error_x.array) == [0.0]


def test_figures_of_nothing_say_so() -> None:
    same = make_frame().head(1)
    assert "No setting differs" in draw_effects(same, "operations_per_s").layout.title.text
    assert "No setting differs" in draw_parallel(same, "operations_per_s").layout.title.text
    assert len(draw_ratios(dataclasses.replace(make_comparison(), findings=())).data) == 0
