"""Stacks of sampled allocations as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.samples.heap_profile import HeapProfile
from workbench.table import Table
from workbench.units import format_rough

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_FRAMES = 6
_TIMES = ((1, "s"), (1e3, "ms"), (1e6, "µs"))


def tabulate_stacks(
    profile: HeapProfile, stacks: pd.DataFrame, caption: str = "", seconds: float = 0.0
) -> Table:
    """A line for each stack, by its innermost functions.

    Parameters
    ----------
    profile : HeapProfile
        Where the stacks are from.
    stacks : frame
        Rows of `in_use`, `allocated` or `grown_since`.
    caption : str
        What stands above.
    seconds : float
        How long it took to allocate them; 0 if it is not about that.
    """
    lives = profile.lifetimes()["median_s"]
    columns: dict[str, Any] = {
        "bytes": lambda row: _bytes(row.bytes),
        "±": lambda row: _bytes(row.bytes_error),
        "blocks": lambda row: f"{round(row.blocks):,}",
    }
    if seconds > 0:
        columns |= {
            "a second": lambda row: _bytes(row.bytes / seconds),
            "lives": lambda row: _time(lives[row.Index]) if row.Index in lives else "",
        }
    columns["by"] = lambda row: " < ".join(_name_innermost(profile, row.Index))
    right = [name for name in columns if name != "by"]
    return Table.of(
        stacks.itertuples(),
        columns,
        right=right,
        shortened=("by",),
        caption=caption,
        dropped=("lives", "blocks", "±"),
    )


def _name_innermost(profile: HeapProfile, stack: int) -> list[str]:
    frames = profile.stacks[stack][::-1]
    names = [f"{frame.function}:{frame.line}" if frame.line else frame.function for frame in frames]
    return [*names[:_SHOWN_FRAMES], *(["…"] if len(names) > _SHOWN_FRAMES else [])]


def _time(seconds: float) -> str:
    factor, unit = next((one for one in _TIMES if seconds * one[0] >= 1), _TIMES[-1])
    return f"{seconds * factor:.3g} {unit}"


def _bytes(number: float) -> str:
    return format_rough(number, "bytes")
