"""`make bench`: every work of peers.toml under every allocator, in interleaved rounds.

    .venv/bin/python -m benchmarks.peers [--rounds N] [--seconds S] [--only pair,batch] [--document]

Runs what is missing (killed in the middle, the same command goes on), then writes report.md and chart.svg
beside the results. With --document, or if nothing is cut short, tables and chart of docs/ are made from
the results, too.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from benchmarks.benchmark import Benchmark
from benchmarks.declared import CXX, PROGRAMS, compile_to, describe_conditions
from benchmarks.peers_chart import draw_chart
from benchmarks.peers_tables import (
    compare_with_peers,
    describe_summary,
    write_memory_table,
    write_processor_table,
    write_speed_table,
)
from workbench.experiments import ComparisonPlan, Results


def _write_source(path: Path) -> None:
    maker = runpy.run_path(str(PROGRAMS / "make_source.py"))
    path.write_text(maker["make_source"](), encoding="utf-8")


def write_report(plan: ComparisonPlan, results: Results, command: str) -> str:
    """All that is told, as Markdown."""
    rows = compare_with_peers(plan, results)
    parts = [
        f"    {command}",
        f"{plan.rounds} interleaved rounds. {describe_conditions(results)}",
        describe_summary(plan, results, rows),
        "Speed: medians in million operations a second; whole programs in seconds.",
        write_speed_table(plan, rows),
    ]
    if processor_table := write_processor_table(plan, rows):
        parts += ["Processor time of whole programs, children included; less is better.", processor_table]
    parts += ["Peak resident memory: medians in MiB.", write_memory_table(plan, rows)]
    return "\n\n".join(parts)


def draw(plan: ComparisonPlan, results: Results) -> str:
    """Ours against the best peer, row by row, as SVG."""
    return draw_chart(compare_with_peers(plan, results))


BENCHMARK = Benchmark(
    "peers",
    "make bench",
    write_report,
    draw,
    {
        "large.c": _write_source,
        "containers": lambda path: compile_to(path, "containers.cpp", *CXX),
        "collections": lambda path: compile_to(path, "collections.rs", "rustc", "-O"),
    },
)


if __name__ == "__main__":
    BENCHMARK.main()
