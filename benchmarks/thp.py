"""Which defaults `os.thp` and `ss.purge_delay_ms` deserve: each value against what is shipped.

    .venv/bin/python -m benchmarks.thp [--rounds N] [--seconds S] [--only larson] [--document]

Runs what is missing of thp.toml. With --document, or if nothing is cut short, the table of
docs/benchmarks.md is made from the results, too.
"""

from __future__ import annotations

from benchmarks.benchmark import Benchmark
from benchmarks.declared import describe_conditions, format_ratio, write_table
from workbench.experiments import (
    MEASURES,
    THROUGHPUT,
    ComparisonPlan,
    Results,
    conclude,
)

_RESIDENT = next(measure for measure in MEASURES if measure.name == "mean resident")


def write_report(plan: ComparisonPlan, results: Results, command: str) -> str:
    """The table of speed and memory, as Markdown."""
    shipped, *others = [variant.name for variant in plan.variants]
    comparison = conclude(plan, results)
    table = [["work", f"against {shipped}", "speed (95 %)", "mean resident (95 %)"]]
    for work in plan.works:
        for name in others:
            ratios = [
                format_ratio(comparison.find(work.name, name, measure).ratio)
                for measure in (THROUGHPUT, _RESIDENT)
            ]
            table.append([work.name, name, *ratios])
    rounds = f"{plan.rounds} interleaved rounds of {plan.works[0].run.seconds:g} s."
    return "\n\n".join(
        [f"    {command}", f"{rounds} {describe_conditions(results)}", write_table(table, left=(0, 1))]
    )


BENCHMARK = Benchmark("thp", ".venv/bin/python -m benchmarks.thp", write_report)


if __name__ == "__main__":
    BENCHMARK.main()
