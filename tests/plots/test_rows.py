"""Choosing rows keeps what can be seen: ends, peaks, and no more than a chart's width needs."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workbench.plots.charts import select_rows, select_rows_in_windows


def test_few_rows_are_all_kept() -> None:
    time_s = np.arange(100.0)
    assert list(select_rows(time_s, np.zeros((100, 3)), 300)) == list(range(100))


def test_a_single_peak_and_a_single_dip_are_kept() -> None:
    time_s = np.arange(40_000.0)
    values = np.full((40_000, 2), 5.0)
    values[12_345, 0] = 99.0
    values[23_456, 1] = -7.0
    rows = select_rows(time_s, values, 400)
    assert {0, 12_345, 23_456, 39_999} <= set(rows)


@given(
    count=st.integers(1, 3000),
    columns=st.integers(1, 12),
    width_px=st.integers(1, 1200),
    seed=st.integers(0, 100),
)
def test_rows_grow_are_bounded_and_reach_from_end_to_end(
    count: int, columns: int, width_px: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(count, columns))
    values[generator.random(values.shape) < 0.1] = np.nan
    rows = select_rows(np.arange(count, dtype=float), values, width_px)
    assert rows[0] == 0
    assert rows[-1] == count - 1
    assert (np.diff(rows) > 0).all()
    # Two rows a column and bucket at worst, of at least 16 buckets.
    assert len(rows) <= max(width_px, 16, (2 * columns + 1) * max(17, width_px // 2 + 1))


def test_a_window_is_whole_and_the_rest_is_coarse() -> None:
    time_s = np.arange(0.0, 1000.0, 0.1)
    values = np.random.default_rng(1).normal(size=(10_000, 1))
    rows = select_rows_in_windows(time_s, values, 400, [(500.0, 520.0)])
    inside = rows[(time_s[rows] >= 500.0) & (time_s[rows] <= 520.0)]
    assert len(inside) >= 200
    assert len(rows) < 800


def test_no_rows_at_all() -> None:
    assert len(select_rows(np.empty(0), np.empty((0, 2)), 300)) == 0
