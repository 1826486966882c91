"""The course of a study: which trials are drawn, and where the best so far stands."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from workbench.plots import draw_study, follow_study

FRAME = pd.DataFrame(
    {
        "number": [0, 1, 2, 3, 4],
        "outcome": ["not better", "better", "failed", "pruned", "better"],
        "throughput_ratio": [1.2, 1.1, math.nan, 0.7, 1.3],
        "peak_memory_ratio": [1.0, 0.9, math.nan, 1.4, 0.8],
    }
)


def test_the_best_so_far_is_of_what_was_told_better() -> None:
    course = follow_study(FRAME, "throughput")
    assert list(course["number"]) == [0, 1, 3, 4]
    assert list(course["best"]) == [1.0, 1.1, 1.1, 1.3]
    smaller = follow_study(FRAME, "peak_memory", is_higher_better=False)
    assert list(smaller["best"]) == [1.0, 0.9, 0.9, 0.8]


def test_a_study_without_trials_is_empty() -> None:
    for frame in (pd.DataFrame(), FRAME[:0], FRAME[2:3]):
        assert follow_study(frame, "throughput").empty
        draw_study(frame)


@pytest.mark.parametrize("objectives", [["throughput"], ["throughput", "peak_memory"]])
def test_every_trial_with_a_ratio_is_drawn_once(objectives: list[str]) -> None:
    figure = draw_study(FRAME, objectives, title="a title")
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert {trace.name: len(trace.x) for trace in points} == {"better": 2, "not better": 1, "pruned": 1}
    assert "defaults" in figure.layout.yaxis.title.text
