"""A chart of threads shows those that can be seen."""

from __future__ import annotations

import pandas as pd

from workbench.plots.trace_figures import choose_threads


def make_threads(events: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "thread": range(len(events)),
            "events": events,
            "allocations": events,
            "frees": events,
            "frees_of_others": [0] * len(events),
        }
    )


def test_few_busy_threads_stand_by_themselves() -> None:
    rows = choose_threads(make_threads([50, 900, 400]), most=16)
    assert rows["name"].tolist() == ["thread 2", "thread 1", "thread 0"]


def test_those_that_do_little_are_one_row_at_the_bottom() -> None:
    rows = choose_threads(make_threads([1, 100_000, 2, 3, 50_000]), most=16)
    assert rows["name"].tolist() == ["3 others", "thread 4", "thread 1"]
    assert rows["events"].tolist() == [6, 50_000, 100_000]


def test_no_more_than_a_chart_holds() -> None:
    rows = choose_threads(make_threads([100] * 40), most=16)
    assert rows["name"].tolist() == ["24 others", *(f"thread {number}" for number in range(15, -1, -1))]
    assert rows["events"].sum() == 4000


def test_a_single_other_has_its_own_name() -> None:
    rows = choose_threads(make_threads([1, 100_000]), most=16)
    assert rows["name"].tolist() == ["thread 1", "thread 0"]
