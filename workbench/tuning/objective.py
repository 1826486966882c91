"""What settings are tuned for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from workbench.experiments import PEAK_RESIDENT, THROUGHPUT, Measure

Direction = Literal["maximize", "minimize"]

#: By the name that a study file uses.
OBJECTIVES: Mapping[str, Measure] = {"throughput": THROUGHPUT, "peak_memory": PEAK_RESIDENT}


def direction(measure: Measure) -> Direction:
    """Word it as Optuna does: "maximize" or "minimize"."""
    return "maximize" if measure.is_higher_better else "minimize"


def benefit(measure: Measure, ratio: float) -> float:
    """A ratio turned such that more than 1 is better."""
    return ratio if measure.is_higher_better else 1 / ratio
