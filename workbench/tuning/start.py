"""A study that starts from what-if curves: which sizes of thread caches need not be tried."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from workbench.allocators import get_allocator
from workbench.control import Value
from workbench.curves import WhatIf
from workbench.errors import BadParameter
from workbench.tuning.plan import StudyPlan
from workbench.tuning.space import Dimension

_SLOTS = "most_slots"  # the row of an allocator's suggestions that says how many slots a cache may have
# What a number of slots saves of the exchanges that can be saved: the range that is left lies between these.
_LEAST_SAVED, _MOST_SAVED = 0.5, 0.99


@dataclass(frozen=True)
class StudyStart:
    """A study narrowed by what-if curves.

    Parameters
    ----------
    plan : StudyPlan
        With a narrower range of slots, and as many fewer trials.
    first : mapping
        Settings to try first.
    tunable : str
        What was narrowed.
    searched, left_out : str
        Its range now, and what of the range in the file is not tried, and why.
    trials_saved, runs_saved : int
        Fewer than the file asks for; runs at most.
    """

    plan: StudyPlan
    first: dict[str, Value]
    tunable: str
    searched: str
    left_out: str
    trials_saved: int
    runs_saved: int

    def describe(self) -> str:
        """One line for the result."""
        return (
            f"from what-if curves: {self.tunable} is searched from {self.searched}, "
            f"{self.first[self.tunable]} first; left out: {self.left_out}. "
            f"That saves {self.trials_saved} trials, at most {self.runs_saved} runs"
        )


def start_from(plan: StudyPlan, told: WhatIf) -> StudyStart:
    """Narrow the range of slots of a study to where the curves bend, and begin at their knee.

    The trials lie as dense as in the file, so there are fewer.

    Raises
    ------
    BadParameter
        If the curves tell nothing about what the study searches.
    """
    name = get_allocator(plan.allocator).suggestions.get(_SLOTS, "")
    found = next((one for one in plan.space.dimensions if one.tunable.name == name), None)
    if found is None or found.values:
        missing = (
            f"the study searches no range of {name}" if name else f"{plan.allocator} has no such setting"
        )
        raise BadParameter(f"what-if curves tell how many slots thread caches need; {missing}")
    shares = told.find_savings(plan.allocator)
    inside = {slots: share for slots, share in shares.items() if found.low <= slots <= found.high}
    if not inside or max(shares.values()) <= 0:
        raise BadParameter(f"the curves tell nothing about {name} from {found.describe()}")
    low = max((slots for slots, share in inside.items() if share < _LEAST_SAVED), default=found.low)
    high = min((slots for slots, share in inside.items() if share >= _MOST_SAVED), default=found.high)
    knee = min(max(told.find_knee(plan.allocator), low), high)
    kept = max(_width(found, low, high) / _width(found, found.low, found.high), 0.0)
    others = [one for one in plan.space.dimensions if one is not found]
    narrow = replace(found, low=low, high=high) if low < high else replace(found, values=(int(low),))
    trials = max(1, math.ceil(plan.trials * kept))
    parts = []
    if low > found.low:
        parts.append(f"below {low:g}, less than {100 * _LEAST_SAVED:g} % of what can be saved is saved")
    if high < found.high:
        parts.append(f"above {high:g}, less than {100 - 100 * _MOST_SAVED:g} % more is saved")
    return StudyStart(
        replace(plan, space=plan.space.with_dimensions([narrow, *others]), trials=trials),
        {name: int(knee)},
        name,
        narrow.describe(),
        "; ".join(parts) or "nothing",
        plan.trials - trials,
        (plan.trials - trials) * 2 * plan.rounds * len(plan.works),
    )


def _width(dimension: Dimension, low: float, high: float) -> float:
    return math.log(high / low) if dimension.is_log else high - low
