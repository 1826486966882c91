"""Results of runs to the tables of charts; no drawing.

A measure is a column of `Results.to_frame`; its unit stands in its name.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from workbench.errors import BadParameter, describe_unknown

#: What varies among runs and is no setting of theirs.
_REPEATS = ("seed", "round")
_FIRST_MEASURED = "status"


def keep_measured(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs that were measured to the end."""
    return frame[frame[_FIRST_MEASURED] == "completed"] if len(frame) else frame


def list_settings(frame: pd.DataFrame) -> list[str]:
    """Columns of settings that differ among the runs; seed and round aside."""
    columns = list(frame.columns)
    settings = columns[1 : columns.index(_FIRST_MEASURED)] if _FIRST_MEASURED in columns else []
    return [name for name in settings if name not in _REPEATS and frame[name].nunique(dropna=False) > 1]


def find_effects(frame: pd.DataFrame, measure: str, settings: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """Main effects: for each setting, the measure at each of its levels, whatever the others were.

    Returns
    -------
    dict of str to DataFrame
        By the setting's name; a row a level (its index), with median, low and high: the quartiles.

    Raises
    ------
    BadParameter
        If there is no such column.
    """
    _check_columns(frame, [measure, *settings])
    measured = keep_measured(frame)
    effects = {}
    for name in settings or list_settings(measured):
        quartiles = (
            measured.groupby(name)[measure].quantile(np.array([0.5, 0.25, 0.75])).unstack().astype(float)
        )
        effects[str(name)] = quartiles.set_axis(["median", "low", "high"], axis=1)
    return effects


def find_heat_map(frame: pd.DataFrame, column: str, row: str, measure: str) -> pd.DataFrame:
    """Medians of a measure at each pair of levels of two settings; NaN where there is no run.

    Raises
    ------
    BadParameter
        If there is no such column.
    """
    _check_columns(frame, [column, row, measure])
    table = keep_measured(frame).pivot_table(index=row, columns=column, values=measure, aggfunc="median")
    return table.astype(float)


def join_rounds(frame: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """One row for each combination of settings: medians of the measures over seeds and rounds.

    Raises
    ------
    BadParameter
        If there is no such column.
    """
    _check_columns(frame, measures)
    measured = keep_measured(frame)
    settings = list_settings(measured)
    if not settings:
        return measured[list(measures)].median().to_frame().T
    return measured.groupby(settings, dropna=False, sort=True)[list(measures)].median().reset_index()


def _check_columns(frame: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in frame.columns:
            raise BadParameter(describe_unknown("column", name, [str(column) for column in frame.columns]))
