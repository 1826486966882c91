"""Results of trials to the arrays of charts; no drawing.

A measure is a column of `Results.to_frame`; its unit stands in its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.control import Value
from workbench.errors import BadParameter, describe_unknown
from workbench.experiments import THROUGHPUT, Comparison, Measure

FloatArray = npt.NDArray[np.float64]
#: What varies among trials and is no setting of theirs.
_REPEATS = ("seed", "round")
_FIRST_MEASURED = "status"


@dataclass(frozen=True)
class Effect:
    """How a measure goes with the levels of one setting, whatever the others were.

    Parameters
    ----------
    name : str
        Column of the setting.
    levels : tuple of Value
        In order.
    median, low, high : array, shape (levels,)
        Of the measure, and its quartiles.
    """

    name: str
    levels: tuple[Value, ...]
    median: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class HeatMap:
    """Medians of a measure over two settings.

    Parameters
    ----------
    columns, rows : tuple of Value
        Levels of the settings.
    values : array, shape (rows, columns)
        NaN where there is no trial.
    """

    columns: tuple[Value, ...]
    rows: tuple[Value, ...]
    values: FloatArray


@dataclass(frozen=True)
class RatioRow:
    """One line of a chart of ratios: a variant against the baseline in one work.

    Parameters
    ----------
    work, variant : str
    estimate, low, high : float
        Ratio and its 95 % interval; infinite where there are too few rounds.
    verdict : str
        "better", "worse" or "cannot tell".
    """

    work: str
    variant: str
    estimate: float
    low: float
    high: float
    verdict: str


def keep_measured(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of trials that were measured to the end."""
    return frame[frame[_FIRST_MEASURED] == "completed"] if len(frame) else frame


def list_settings(frame: pd.DataFrame) -> list[str]:
    """Columns of settings that differ among the trials; seed and round aside."""
    columns = list(frame.columns)
    settings = columns[1 : columns.index(_FIRST_MEASURED)] if _FIRST_MEASURED in columns else []
    return [name for name in settings if name not in _REPEATS and frame[name].nunique(dropna=False) > 1]


def find_effects(frame: pd.DataFrame, measure: str, settings: Sequence[str] = ()) -> list[Effect]:
    """Main effects: for each setting, the measure at each of its levels.

    Raises
    ------
    BadParameter
        If there is no such column.
    """
    _check_columns(frame, [measure, *settings])
    measured = keep_measured(frame)
    effects = []
    for name in settings or list_settings(measured):
        groups = measured.groupby(name, sort=True)[measure]
        effects.append(
            Effect(
                name,
                tuple(groups.median().index.tolist()),
                groups.median().to_numpy(dtype=float),
                groups.quantile(0.25).to_numpy(dtype=float),
                groups.quantile(0.75).to_numpy(dtype=float),
            )
        )
    return effects


def find_heat_map(frame: pd.DataFrame, column: str, row: str, measure: str) -> HeatMap:
    """Medians of a measure at each pair of levels of two settings.

    Raises
    ------
    BadParameter
        If there is no such column.
    """
    _check_columns(frame, [column, row, measure])
    table = keep_measured(frame).pivot_table(index=row, columns=column, values=measure, aggfunc="median")
    return HeatMap(tuple(table.columns), tuple(table.index), table.to_numpy(dtype=float))


def find_front(higher_better: FloatArray, lower_better: FloatArray) -> npt.NDArray[np.bool_]:
    """Which points are on the Pareto front: none is better in one and at least as good in the other.

    Parameters
    ----------
    higher_better, lower_better : array, shape (points,)

    Returns
    -------
    array of bool, shape (points,)
        Points with NaN are never on it.
    """
    is_known = np.isfinite(higher_better) & np.isfinite(lower_better)
    on_front = np.zeros(len(higher_better), dtype=bool)
    # From the highest down, equal ones from the lowest up: on the front is who goes below all before.
    order = np.lexsort((lower_better, -higher_better))
    lowest, previous = np.inf, None
    for index in order[is_known[order]]:
        point = (higher_better[index], lower_better[index])
        if point[1] < lowest or point == previous:
            on_front[index] = True
            lowest, previous = point[1], point
    return on_front


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


def list_ratios(comparison: Comparison, measure: Measure = THROUGHPUT) -> list[RatioRow]:
    """Ratios of one measure, work by work and variant by variant."""
    return [
        RatioRow(
            finding.work,
            finding.variant,
            finding.ratio.estimate,
            finding.ratio.low if finding.ratio.low > 0 else -np.inf,
            finding.ratio.high,
            finding.ratio.verdict,
        )
        for finding in comparison.findings
        if finding.measure == measure and finding.ratio.pairs > 0
    ]


def _check_columns(frame: pd.DataFrame, names: Sequence[str]) -> None:
    for name in names:
        if name not in frame.columns:
            raise BadParameter(describe_unknown("column", name, [str(column) for column in frame.columns]))
