"""Measuring that costs nothing: a rule gives throughput and memory for settings, with noise of its own."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.experiments.results_fixture import make_result
from workbench.control import Value
from workbench.experiments import Result, Run
from workbench.tuning import StudyPlan, read_study

Rule = Callable[[Mapping[str, Value]], tuple[float, float]]
NOISE = 0.03

STUDY = """
workloads = ["random_mixed"]
operations = 1000
seeds = [1, 2, 3]
trials = 12
rounds = 8
[search]
"tls.grow_percent" = {}
"tls.max_slots" = { from = 64, to = 4096 }
[held_out]
workloads = ["larson"]
seed = 100
rounds = 12
"""


class FakeMeasurer:
    """Counts what it runs; the same run is always measured alike, whatever tunables the allocator has."""

    def __init__(self, rule: Rule, noise: float = NOISE) -> None:
        self.rule = rule
        self.noise = noise
        self.runs: list[Run] = []

    def __call__(self, run: Run, *, warm_bytes: int | None = None) -> Result:
        self.runs.append(run)
        throughput, memory = self.rule(run.tunables)
        rng = random.Random(repr((run.workload, run.seed, run.round, sorted(run.tunables.items()))))
        return make_result(
            run,
            1e6 * throughput * math.exp(rng.gauss(0, self.noise)),
            peak_resident_bytes=1e6 * memory * math.exp(rng.gauss(0, self.noise / 3)),
            started_s=float(len(self.runs)),
        )


def same(settings: Mapping[str, Value]) -> tuple[float, float]:
    """Nothing makes a difference."""
    return 1.0, 1.0


def hidden_optimum(settings: Mapping[str, Value]) -> tuple[float, float]:
    """Best at grow 60 %: a fifth faster than the defaults at 80 %."""
    grow = float(settings.get("tls.grow_percent", 80))
    return 1.2 - 0.2 * min(1.0, abs(grow - 60) / 20), 1.0


def trade(settings: Mapping[str, Value]) -> tuple[float, float]:
    """The more slots, the faster and the bigger; 2048 is the default."""
    slots = float(settings.get("tls.max_slots", 2048))
    return (slots / 2048) ** 0.2, (slots / 2048) ** 0.3


def write_study(folder: Path, text: str = STUDY) -> Path:
    """A study file."""
    path = folder / "study.toml"
    path.write_text(text)
    return path


def make_plan(folder: Path, text: str = STUDY) -> StudyPlan:
    """A study as its file declares it."""
    return read_study(write_study(folder, text))
