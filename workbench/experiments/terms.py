"""What a study asks of each of its live experiments; among it, how often the settings may change."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.control import Value

if TYPE_CHECKING:
    from workbench.experiments.live_result import LiveResult

_HOUR_S = 3600.0
#: The beginning of an experiment, a pair of blocks and the way back change the settings so often at most.
LEAST_CHANGES = 6
#: Why an experiment ended that had no time left.
TIME_OVER = "the time for it is over"


class ChangeLimit:
    """Counts changes; shared by all experiments of a study.

    Parameters
    ----------
    most : float
        Within any hour, at least `LEAST_CHANGES`.
    clock : callable
        CLOCK_MONOTONIC in seconds; tests put their own in its place.
    """

    def __init__(self, most: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self._clock = clock
        self._made_s: deque[float] = deque()

    def note(self) -> None:
        """The settings change now."""
        self._made_s.append(self._clock())

    @property
    def allows_pair(self) -> bool:
        """Whether another pair of blocks, with what goes before and behind it, keeps the limit."""
        while self._made_s and self._made_s[0] <= self._clock() - _HOUR_S:
            self._made_s.popleft()
        return len(self._made_s) + LEAST_CHANGES <= self.most


@dataclass(frozen=True)
class Terms:
    """What a study asks of each of its experiments.

    Parameters
    ----------
    back : mapping of str to Value
        What the process goes back to, in place of A.
    limit : ChangeLimit
        How often the settings may change.
    ends_s : float
        When it must be over (CLOCK_MONOTONIC).
    give_up : callable
        Called after each pair of blocks with what is known; a reason that it returns ends the experiment.
    """

    back: Mapping[str, Value]
    limit: ChangeLimit
    ends_s: float
    give_up: Callable[[LiveResult], str]
