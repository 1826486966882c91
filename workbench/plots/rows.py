"""Choosing which rows of a history a chart of limited width needs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
RowArray = npt.NDArray[np.intp]


def select_rows(time_s: FloatArray, values: FloatArray, width_px: int) -> RowArray:
    """Rows that look the same as all of them when drawn `width_px` wide.

    Rows are cut into buckets; of each bucket the first row and, for every column, the rows of the
    lowest and the highest value are kept. Every row kept is a real sample, the same for all columns,
    so a hover over the chart shows exact values.

    Parameters
    ----------
    time_s : array, shape (rows,)
        Growing.
    values : array, shape (rows, columns)
        NaN where there is no value.
    width_px : int
        About how many rows to keep for a single column; more columns keep somewhat more.

    Returns
    -------
    array of int
        Row numbers, growing, first and last row included.
    """
    count = len(time_s)
    width_px = max(16, width_px)
    if count <= width_px:
        return np.arange(count)
    # Two rows a column and bucket at worst: fewer buckets for more columns, within reason.
    columns = max(1, values.shape[1])
    bucket_count = max(16, width_px // (1 + min(columns, 5)))
    size = -(-count // bucket_count)
    starts = np.arange(0, count, size)
    kept = [starts, np.array([count - 1])]
    padded = np.full((len(starts) * size, values.shape[1]), np.nan)
    padded[:count] = values
    buckets = padded.reshape(len(starts), size, values.shape[1])
    missing = np.isnan(buckets)
    low = np.where(missing, np.inf, buckets).argmin(axis=1)
    high = np.where(missing, -np.inf, buckets).argmax(axis=1)
    # A bucket whose values are all alike is told by its first row.
    flat = np.take_along_axis(buckets, low[:, None, :], 1) == np.take_along_axis(buckets, high[:, None, :], 1)
    moving = ~flat[:, 0, :]
    for extreme in (low, high):
        kept.append((extreme + starts[:, None])[moving])
    rows = np.unique(np.concatenate(kept))
    return rows[rows < count]


def select_rows_in_windows(
    time_s: FloatArray, values: FloatArray, width_px: int, windows_s: list[tuple[float, float]]
) -> RowArray:
    """As `select_rows`, for several views: windows (first and last second) in full, the whole coarsely."""
    parts = [select_rows(time_s, values, 120)]
    for first_s, last_s in windows_s:
        low = max(0, int(np.searchsorted(time_s, first_s, side="right")) - 1)
        high = min(len(time_s), int(np.searchsorted(time_s, last_s, side="left")) + 1)
        parts.append(select_rows(time_s[low:high], values[low:high], width_px) + low)
    return np.unique(np.concatenate(parts))
