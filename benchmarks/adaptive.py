"""`make bench-adaptive`: caches that adapt against fixed ones, in speed and in memory.

    .venv/bin/python -m benchmarks.adaptive [--rounds N] [--seconds S] [--only phases] [--document]

Runs what is missing of adaptive.toml. With --document, or if nothing is cut short, the table of
docs/benchmarks.md is made from the results, too.
"""

from __future__ import annotations

from benchmarks.benchmark import Benchmark
from benchmarks.declared import (
    compare_two,
    describe_conditions,
    format_ratio,
    write_table,
)
from workbench.experiments import (
    MEASURES,
    THROUGHPUT,
    Comparison,
    ComparisonPlan,
    Measure,
    Results,
)
from workbench.units import MIB

_ADAPTIVE = "adaptive"
_MEAN_RESIDENT, _CACHED = (
    next(measure for measure in MEASURES if measure.name == name) for name in ("mean resident", "cached")
)
# What is claimed: the interval of speed reaches so near to the faster, mean memory is so near to the smaller.
_LEAST_SPEED, _MOST_MEMORY = 0.98, 1.10


def write_report(plan: ComparisonPlan, results: Results, command: str) -> str:
    """All that is told, as Markdown."""
    fixed = [variant.name for variant in plan.variants if variant.name != _ADAPTIVE]
    comparisons = {name: compare_two(plan, results, name, _ADAPTIVE) for name in fixed}
    names = ", ".join([_ADAPTIVE, *fixed])
    table = [
        [
            "work / threads",
            f"speed, M operations/s: {names}",
            "adaptive / faster (95 %)",
            f"mean resident, MiB: {names}",
            "adaptive / smaller (95 %)",
            f"cached, MiB: {names}",
            "claim",
        ]
    ]
    for work in plan.works:
        speed = _read(comparisons, work.name, THROUGHPUT)
        memory = _read(comparisons, work.name, _MEAN_RESIDENT)
        if not speed or not memory:
            table.append([work.name, *["–"] * 6])
            continue
        faster = max(fixed, key=lambda name: speed.get(name, 0.0))
        smaller = min(fixed, key=lambda name: memory.get(name, float("inf")))
        speed_ratio = comparisons[faster].find(work.name, _ADAPTIVE, THROUGHPUT).ratio
        memory_ratio = comparisons[smaller].find(work.name, _ADAPTIVE, _MEAN_RESIDENT).ratio
        verdict = "too few rounds"
        if speed_ratio.low > 0:
            is_met = speed_ratio.high >= _LEAST_SPEED and memory_ratio.estimate <= _MOST_MEMORY
            verdict = "met" if is_met else "NOT met"
        table.append(
            [
                work.name,
                _join(speed, fixed, 1e6),
                format_ratio(speed_ratio),
                _join(memory, fixed, MIB),
                format_ratio(memory_ratio),
                _join(_read(comparisons, work.name, _CACHED), fixed, MIB),
                verdict,
            ]
        )
    return "\n\n".join(
        [
            f"    {command}",
            f"{plan.rounds} interleaved rounds of {plan.works[0].run.seconds:g} s. "
            f"{describe_conditions(results)}",
            "Claimed: the interval of adaptive's speed reaches within 2 % of the faster of both fixed ones, "
            "and its mean resident memory is within 10 % of the smaller. Medians.",
            write_table(table, left=(0, 6)),
        ]
    )


def _read(comparisons: dict[str, Comparison], work: str, measure: Measure) -> dict[str, float]:
    """Medians by variant; those that were not measured are missing."""
    values: dict[str, float] = {}
    for name, comparison in comparisons.items():
        try:
            finding = comparison.find(work, _ADAPTIVE, measure)
        except KeyError:
            continue
        values |= {name: finding.baseline_value, _ADAPTIVE: finding.value}
    return values


def _join(values: dict[str, float], fixed: list[str], unit: float) -> str:
    return ", ".join(f"{values[name] / unit:.1f}" if name in values else "–" for name in (_ADAPTIVE, *fixed))


BENCHMARK = Benchmark("adaptive", "make bench-adaptive", write_report)


if __name__ == "__main__":
    BENCHMARK.main()
