"""Live experiments on simulated noise: how often the verdicts are wrong, and how soon they come.

    .venv/bin/python -m scripts.simulate_switchback [--count 1000]

Each simulation has a pilot of A, from which the length of the experiment is announced, and three experiments
of that length on the noise that follows: one without an effect, one without an effect that is looked at four
times, and one where B is 3 % better. The table goes to docs/live_experiments.md.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import signal

from workbench.experiments.inference import FloatArray
from workbench.experiments.switchback import Arm, Design, Effect, foresee, judge_blocks

PAGE = Path(__file__).resolve().parent.parent / "docs" / "live_experiments.md"
BEGINS, ENDS = "<!-- the table of simulations begins -->", "<!-- and ends -->"

PILOT_S, WASH_OUT_S = 900, 2
BLOCK_S = (5, 10, 20, 40)
LOOKS = 4
PLANTED = 0.03
_DAY_S = 86_400

Noise = Callable[[np.random.Generator, int], FloatArray]


def _white(random: np.random.Generator, count: int) -> FloatArray:
    return random.normal(0, 0.05, count)


def _correlated(random: np.random.Generator, count: int) -> FloatArray:
    """A first-order autoregression with a memory of 20 s."""
    memory = math.exp(-1 / 20)
    steps = random.normal(0, 0.05 * math.sqrt(1 - memory**2), count + 200)
    series: FloatArray = signal.lfilter([1], [1, -memory], steps)[200:]
    return series


def _drifting(random: np.random.Generator, count: int) -> FloatArray:
    """A random walk with a trend, up or down by a third in an hour, and white noise."""
    trend = random.choice([-1, 1]) * 0.3 / 3600 * np.arange(count)
    series: FloatArray = trend + np.cumsum(random.normal(0, 0.002, count)) + random.normal(0, 0.03, count)
    return series


def _daily(random: np.random.Generator, count: int) -> FloatArray:
    """A day's rhythm, from half to twice as much, begun at any hour, and white noise."""
    phase = random.uniform(0, _DAY_S)
    rhythm = math.log(2) * np.sin(2 * np.pi * (np.arange(count) + phase) / _DAY_S)
    return rhythm + random.normal(0, 0.03, count)


def _bursty(random: np.random.Generator, count: int) -> FloatArray:
    """About once in two minutes a fifth less for 10 s, by chance, and white noise."""
    series = random.normal(0, 0.03, count)
    for start in np.flatnonzero(random.random(count) < 1 / 120):
        series[start : start + 1 + int(random.exponential(10))] -= random.exponential(0.2)
    return series


NOISES: Mapping[str, Noise] = {
    "white": _white,
    "autocorrelated": _correlated,
    "drifting": _drifting,
    "daily": _daily,
    "bursty": _bursty,
}


@dataclass
class Tally:
    """What came of the simulations with one noise."""

    count: int
    false_verdicts: int = 0
    false_with_looks: int = 0
    covered: int = 0
    told: int = 0
    void: int = 0
    announced_s: float = 0.0

    def to_row(self) -> list[str]:
        """Its shares, and the announced length, as in the table."""
        shares = [self.false_verdicts, self.false_with_looks, self.covered, self.told, self.void]
        length = f"{self.announced_s / self.count / 60:.0f} min"
        return [*(f"{share / self.count:.1%}" for share in shares), length]


def measure_blocks(series: FloatArray, arms: list[Arm], block_s: int, effect: float) -> FloatArray:
    """Means of the blocks after their wash-out, one sample a second, of a figure whose logarithm is given."""
    span = block_s + WASH_OUT_S
    figure = np.exp(series[: len(arms) * span].reshape(len(arms), span))
    levels: FloatArray = figure[:, WASH_OUT_S:].mean(axis=1)
    return levels * np.where(np.array(arms) == "B", 1 + effect, 1.0)


def look(levels: FloatArray, design: Design) -> Effect:
    """Judge at each look, and end at the first that tells."""
    for pairs in design.list_looks():
        effect = judge_blocks(levels[: 2 * pairs], design.arms, risk=design.find_risk(pairs))
        if effect.is_told:
            break
    return effect


def simulate(noise: Noise, count: int, seed: int = 1) -> Tally:
    """Simulate so many pilots and experiments; the same for the same seed."""
    tally = Tally(count)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        series = noise(random, PILOT_S + _DAY_S)
        plan = foresee(np.exp(series[:PILOT_S]), 1, WASH_OUT_S, BLOCK_S)[0]
        tally.announced_s += plan.total_s
        if plan.total_s > _DAY_S:
            continue
        series, block_s = series[PILOT_S:], round(plan.block_s)
        design, looked = Design(plan.blocks, seed=number), Design(max(plan.blocks, 40), LOOKS, number)
        effect = judge_blocks(measure_blocks(series, design.arms, block_s, 0.0), design.arms)
        tally.false_verdicts += effect.is_told
        tally.void += effect.has_carry_over
        tally.covered += effect.ratio.low <= 1 <= effect.ratio.high
        tally.false_with_looks += look(measure_blocks(series, looked.arms, block_s, 0.0), looked).is_told
        tally.told += judge_blocks(measure_blocks(series, design.arms, block_s, PLANTED), design.arms).is_told
    return tally


COLUMNS = (
    "noise",
    "false verdicts",
    f"false verdicts with {LOOKS} looks",
    "95 % interval covers",
    f"{PLANTED:.0%} told in the announced time",
    "void by the test of carry-over",
    "announced, on average",
)


def main() -> None:
    """Simulate, print the table and write it to its page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="simulations of each noise")
    count = parser.parse_args().count
    lines = ["| " + " | ".join(COLUMNS) + " |", "| --- |" + " ---: |" * (len(COLUMNS) - 1)]
    for name, noise in NOISES.items():
        lines.append("| " + " | ".join([name, *simulate(noise, count).to_row()]) + " |")
        print(lines[-1], flush=True)
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGINS)
    table = "\n".join([BEGINS, "", f"{count} simulations of each noise:", "", *lines, "", ENDS])
    PAGE.write_text(before + table + rest.partition(ENDS)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
