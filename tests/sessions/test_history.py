"""A history keeps recent samples whole and an hour in bounded memory."""

import numpy as np
import pytest

from workbench.sessions import History

SAMPLES_AN_HOUR = 45_000  # 12.5 a second


def test_recent_rows_are_kept_as_sampled() -> None:
    history = History(whole_rows=8, old_rows=16)
    for index in range(12):
        history.append(index * 0.1, {"level": index, "rate": 10 * index}, ["rate"])
    view = history.view()
    assert view.names == ("level", "rate")
    np.testing.assert_allclose(view.time_s, np.arange(12) * 0.1)
    np.testing.assert_allclose(view.column("level"), np.arange(12))


def test_a_column_that_comes_later_is_nan_before() -> None:
    history = History()
    history.append(0.0, {"first": 1.0})
    history.append(1.0, {"first": 2.0, **{f"late {index}": 3.0 for index in range(20)}})
    late = history.view().column("late 19")
    assert np.isnan(late[0])
    assert late[1] == 3.0
    assert np.isnan(history.view().column("never there")).all()


def test_an_hour_stays_within_bounded_memory_and_even_resolution() -> None:
    history = History()
    names = [f"column {index}" for index in range(60)]
    row = dict.fromkeys(names, 1.0)
    sizes = []
    for index in range(SAMPLES_AN_HOUR):
        history.append(index * 0.08, row)
        if index % 5000 == 4999:
            sizes.append(sum(part.nbytes for part in vars(history).values() if isinstance(part, np.ndarray)))
    assert history.sample_count == SAMPLES_AN_HOUR
    assert max(sizes) <= 8 * 2**20
    assert max(sizes[2:]) <= 1.7 * min(sizes[2:])
    view = history.view()
    assert len(view.time_s) <= 4096 + 2 * 1024
    assert view.time_s[-1] == pytest.approx((SAMPLES_AN_HOUR - 1) * 0.08)
    assert view.time_s[0] < 10.0
    gaps = np.diff(view.time_s)
    assert (gaps > 0).all()
    # An hour ago one row stands for at most 2 s, the last minute is whole.
    assert gaps.max() <= 2.0
    assert gaps[-750:].max() == pytest.approx(0.08)


def test_merged_rows_have_the_mean_of_rates_and_the_last_of_levels() -> None:
    history = History(whole_rows=4, old_rows=8)
    for index in range(40):
        history.append(float(index), {"level": float(index), "rate": float(index % 2)}, ["rate"])
    view = history.view()
    assert len(view.time_s) < 40
    old = view.time_s < 16
    np.testing.assert_allclose(view.column("level")[old], view.time_s[old])
    np.testing.assert_allclose(view.column("rate")[old], 0.5)


def test_columns_are_bounded_too() -> None:
    history = History(maximum_columns=4)
    history.append(0.0, {f"column {index}": 1.0 for index in range(10)})
    history.append(1.0, {f"column {index}": 2.0 for index in range(10)})
    assert len(history.names) == 4


def test_recent_mean_looks_back_only_so_far() -> None:
    history = History()
    for index in range(100):
        history.append(index * 0.1, {"rate": 0.0 if index < 90 else 10.0}, ["rate"])
    assert history.recent_mean("rate", 0.5) == pytest.approx(10.0)
    assert history.recent_mean("rate", float("inf")) == pytest.approx(1.0)
    assert np.isnan(history.recent_mean("unknown", 1.0))


def test_sizes_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="power of two"):
        History(whole_rows=100)
    with pytest.raises(ValueError, match="at least twice"):
        History(whole_rows=64, old_rows=32)
