"""Which default `os.thp` deserves: whole programs under each of its values, against mimalloc 3.

    make bench-thp [ROUNDS=N] [ONLY=perl,lua]

Runs what is missing of thp.toml. If nothing is cut short, the tables of docs/benchmarks.md are made from the
results, too.
"""

from __future__ import annotations

import runpy
import subprocess
import tempfile
from pathlib import Path

from benchmarks.benchmark import Benchmark
from benchmarks.declared import CXX, PROGRAMS, compile_to, describe_conditions, format_ratio, write_table
from workbench.experiments import ComparisonPlan, Results, conclude, find_measure

_LINES = 500_000
_COMMITS, _FILES = 100, 12
_SHIPPED = "as shipped"


def _write_lines(path: Path) -> None:
    texts = runpy.run_path(str(PROGRAMS / "make_texts.py"))
    path.write_text(texts["make_lines"](_LINES), encoding="utf-8")


def _write_bundle(bundle: Path) -> None:
    if bundle.exists():  # the bytes that git writes are not always the same
        return
    history = runpy.run_path(str(PROGRAMS / "make_texts.py"))["make_history"](_COMMITS, _FILES)
    with tempfile.TemporaryDirectory() as repository:
        git = ["git", "-C", repository]
        subprocess.run([*git, "init", "--quiet", "--bare"], check=True)
        subprocess.run([*git, "fast-import", "--quiet"], check=True, input=history, text=True)
        subprocess.run([*git, "bundle", "create", "--quiet", bundle, "main"], check=True)


def write_report(plan: ComparisonPlan, results: Results, command: str) -> str:
    """The tables of time, memory and page faults, as Markdown."""
    comparison = conclude(plan, results)
    baseline, *others = [variant.name for variant in plan.variants]

    def tell(name: str, column: str) -> list[str]:
        measure = find_measure(column)
        return [format_ratio(comparison.find(work.name, name, measure).ratio) for work in plan.works]

    def table(titles: list[str], columns: list[list[str]]) -> str:
        names = [work.name for work in plan.works]
        return write_table([["work", *titles], *map(list, zip(names, *columns, strict=True))])

    measures = ["elapsed", "processor time", "peak resident", "page faults"]
    parts = [
        f"    {command}",
        f"{plan.rounds} interleaved rounds. {describe_conditions(results)}",
        f"{_SHIPPED.capitalize()} against {baseline}; less is better, with 95 % intervals.",
        table(measures, [tell(_SHIPPED, measure) for measure in measures]),
    ]
    for measure in ("processor time", "peak resident"):
        parts += [
            f"{measure.capitalize()} of all against {baseline}.",
            table(others, [tell(name, measure) for name in others]),
        ]
    return "\n\n".join(parts)


BENCHMARK = Benchmark(
    "thp",
    "make bench-thp",
    write_report,
    makers={
        "crowd": lambda path: compile_to(path, "crowd.cpp", *CXX),
        "lines.txt": _write_lines,
        "history.bundle": _write_bundle,
    },
)


if __name__ == "__main__":
    BENCHMARK.main()
