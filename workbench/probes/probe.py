"""What a probe is: a metric of one program that is read outside its allocator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from workbench.control import Metric
from workbench.errors import ProbeFailed

Better = Literal["", "lower", "higher"]


@dataclass(frozen=True)
class Probe:
    """A figure of a running program.

    Attributes
    ----------
    metric : Metric
        Name, unit, help; a counter is shown as its rate per second.
    read : callable
        Returns the figure, or raises `ProbeFailed`. It may hang: `ProbeReader` gives it a thread of its own.
    period_s : float
        Time between two readings.
    better : {"", "lower", "higher"}
        Which way is an improvement, where that is known.
    source : str
        How it is given on a command line; empty for a Python function.
    """

    metric: Metric
    read: Callable[[], float] = field(compare=False)
    period_s: float = 1.0
    better: Better = ""
    source: str = ""

    @property
    def name(self) -> str:
        """Name of the metric."""
        return self.metric.name

    def cancel(self) -> None:
        """End a reading that goes on, if that is possible: a command, not a function."""
        if (cancel := getattr(self.read, "cancel", None)) is not None:
            cancel()


def to_figure(given: object, what: str) -> float:
    """Make a finite number of what a probe returned.

    Raises
    ------
    ProbeFailed
        If it is none; `what` names where it came from.
    """
    try:
        figure = float(given)  # type: ignore[arg-type]  # whatever cannot be a number raises
    except (TypeError, ValueError):
        text = " ".join(str(given).split())
        said = f"'{text[:60]}'" if text else "nothing"
        raise ProbeFailed(f"{what} gave {said}; a number is wanted") from None
    if not math.isfinite(figure):
        raise ProbeFailed(f"{what} gave {figure}; a finite number is wanted")
    return figure
