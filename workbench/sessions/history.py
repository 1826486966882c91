"""Samples over time in bounded memory: recent ones whole, old ones thinned evenly."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class HistoryView:
    """The samples kept, as arrays that nothing changes any more.

    Parameters
    ----------
    time_s : array, shape (rows,)
        Seconds since the run began, growing.
    values : array, shape (rows, columns)
        One column a name; NaN where a sample did not have the column.
    names : tuple of str
    """

    time_s: FloatArray
    values: FloatArray
    names: tuple[str, ...]

    @classmethod
    def empty(cls) -> HistoryView:
        """Make a view without samples."""
        return cls(np.empty(0), np.empty((0, 0)), ())

    def to_frame(self) -> pd.DataFrame:
        """The samples as a table, one a row, indexed by `time_s`."""
        import pandas as pd

        return pd.DataFrame(
            self.values, index=pd.Index(self.time_s, name="time_s"), columns=pd.Index(self.names)
        )

    def column(self, name: str) -> FloatArray:
        """Values of one column; all NaN if the history never had it."""
        if name not in self.names:
            return np.full(self.time_s.shape, np.nan)
        return self.values[:, self.names.index(name)]


class History:
    """Rows of named values over time.

    The newest `whole_rows` to twice as many rows are kept as sampled. What is older is merged in
    groups of `stride` rows each; when that part is full its rows are merged in pairs and the stride
    doubles, so an hour at 10 samples a second costs the same memory as a minute, at an even
    resolution. A merged row has the time of its last sample, the mean of columns named in `means`
    (rates) and the last value of all others (levels).

    Parameters
    ----------
    whole_rows : int
        A power of two.
    old_rows : int
        Room for merged rows.
    maximum_columns : int
        Further columns are ignored.
    """

    def __init__(self, whole_rows: int = 1024, old_rows: int = 4096, maximum_columns: int = 256) -> None:
        if whole_rows < 2 or whole_rows & (whole_rows - 1):
            raise ValueError(f"whole_rows is {whole_rows}; it must be a power of two")
        if old_rows < 2 * whole_rows:
            raise ValueError(f"old_rows is {old_rows}; it must be at least twice whole_rows ({whole_rows})")
        self._whole_rows = whole_rows
        self._old_rows = old_rows
        self._maximum_columns = maximum_columns
        self._names: dict[str, int] = {}
        self._means = np.zeros(0, dtype=bool)
        self._old_time = np.empty(0)
        self._old = np.empty((0, 0))
        self._time = np.empty(2 * whole_rows)
        self._recent = np.full((2 * whole_rows, 8), np.nan)
        self._recent_count = 0
        self._stride = 1
        self.sample_count = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Columns in the order in which they first came."""
        return tuple(self._names)

    @property
    def last_time_s(self) -> float:
        """Time of the newest row, 0 without any."""
        return float(self._time[self._recent_count - 1]) if self._recent_count else 0.0

    def append(self, time_s: float, values: Mapping[str, float], means: Iterable[str] = ()) -> None:
        """Adds one row.

        Parameters
        ----------
        time_s : float
            Seconds since the run began; not before the newest row.
        values : mapping of str to float
            Columns of the row; unknown names become new columns.
        means : iterable of str
            Which columns are rates, to be averaged when merged.
        """
        if self._recent_count == len(self._time):
            self._age_rows()
        unknown = [name for name in values if name not in self._names]
        if unknown:
            self._add_columns(unknown, frozenset(means))
        row = self._recent[self._recent_count]
        row[:] = np.nan
        for name, value in values.items():
            index = self._names.get(name)
            if index is not None:
                row[index] = value
        self._time[self._recent_count] = time_s
        self._recent_count += 1
        self.sample_count += 1

    def view(self) -> HistoryView:
        """A copy of all rows kept, oldest first."""
        time_s = np.concatenate((self._old_time, self._time[: self._recent_count]))
        recent = self._recent[: self._recent_count, : len(self._names)]
        return HistoryView(time_s, np.concatenate((self._widened_old(), recent)), self.names)

    def last(self, name: str) -> float:
        """Newest value of a column, NaN if there is none."""
        index = self._names.get(name)
        if index is None or not self._recent_count:
            return float("nan")
        return float(self._recent[self._recent_count - 1, index])

    def recent_mean(self, name: str, span_s: float) -> float:
        """Mean of a column over its last `span_s` seconds (or all), NaN without a value."""
        time_s = self._time[: self._recent_count]
        if span_s > 60.0:
            values = self.view().column(name)
        elif name not in self._names:
            return float("nan")
        else:
            first = int(np.searchsorted(time_s, self.last_time_s - span_s))
            values = self._recent[first : self._recent_count, self._names[name]]
        values = values[~np.isnan(values)]
        return float(values.mean()) if len(values) else float("nan")

    def _add_columns(self, names: list[str], means: frozenset[str]) -> None:
        for name in names:
            if len(self._names) < self._maximum_columns:
                self._names[name] = len(self._names)
                self._means = np.append(self._means, name in means)
        if len(self._names) > self._recent.shape[1]:
            # Rows are written whole, so what is right of the last column is NaN already.
            wider = np.full((len(self._time), 2 * len(self._names)), np.nan)
            wider[:, : self._recent.shape[1]] = self._recent
            self._recent = wider

    def _age_rows(self) -> None:
        """Moves the older half of the recent rows to the merged part."""
        count, width = self._whole_rows, len(self._names)
        time_s, values = self._time[:count], self._recent[:count, :width]
        group = min(self._stride, count)
        aged_time, aged = self._merge(time_s, values, group)
        self._old_time = np.concatenate((self._old_time, aged_time))
        self._old = np.concatenate((self._widened_old(), aged))
        while len(self._old_time) > self._old_rows - self._whole_rows:
            even = len(self._old_time) // 2 * 2
            merged_time, merged = self._merge(self._old_time[:even], self._old[:even], 2)
            self._old_time = np.concatenate((merged_time, self._old_time[even:]))
            self._old = np.concatenate((merged, self._old[even:]))
            self._stride *= 2
        rest = self._recent_count - count
        self._time[:rest] = self._time[count : self._recent_count]
        self._recent[:rest] = self._recent[count : self._recent_count]
        self._recent_count = rest

    def _widened_old(self) -> FloatArray:
        """The merged rows with all columns; those that came later are NaN."""
        missing = len(self._names) - self._old.shape[1]
        return np.pad(self._old, ((0, 0), (0, missing)), constant_values=np.nan)

    def _merge(self, time_s: FloatArray, values: FloatArray, group: int) -> tuple[FloatArray, FloatArray]:
        if group == 1:
            return time_s.copy(), values.copy()
        grouped = values.reshape(-1, group, values.shape[1])
        merged = grouped[:, -1, :].copy()
        if self._means.any():
            with warnings.catch_warnings():
                # A group without any value has the mean NaN, which is what is wanted.
                warnings.simplefilter("ignore", RuntimeWarning)
                merged[:, self._means] = np.nanmean(grouped[:, :, self._means], axis=1)
        return time_s.reshape(-1, group)[:, -1].copy(), merged
