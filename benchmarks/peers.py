"""`make bench`: every work of peers.toml under every allocator, in interleaved rounds.

    .venv/bin/python -m benchmarks.peers [--rounds N] [--seconds S] [--only pair,batch] [--document]

Runs what is missing (killed in the middle, the same command goes on), then writes report.md and chart.svg
beside the results. With --document, or if nothing is cut short, tables and chart of docs/ are made from
the results, too.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

from benchmarks.declared import (
    DOCUMENT,
    ROOT,
    cut_plan,
    describe_command,
    describe_conditions,
    open_results,
    replace_between,
    run_with_progress,
)
from benchmarks.peers_chart import draw_chart
from benchmarks.peers_tables import (
    compare_with_peers,
    describe_summary,
    write_memory_table,
    write_processor_table,
    write_speed_table,
)
from workbench.errors import WorkbenchError
from workbench.experiments import ComparisonPlan, Results, read_comparison_plan

_PLAN = Path(__file__).with_name("peers.toml")
_SOURCE_TO_COMPILE = ROOT / "build" / "benchmarks" / "large.c"
_STATUS_FAILED, _STATUS_WRONG, _STATUS_INTERRUPTED = 1, 2, 130


def make_inputs() -> None:
    """Write what the plan reads and no repository should hold."""
    _SOURCE_TO_COMPILE.parent.mkdir(parents=True, exist_ok=True)
    maker = runpy.run_path(str(_PLAN.parent / "programs" / "make_source.py"))
    _SOURCE_TO_COMPILE.write_text(maker["make_source"](), encoding="utf-8")


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


def run(words: argparse.Namespace) -> int:
    make_inputs()
    declared = read_comparison_plan(_PLAN)
    plan = cut_plan(declared, words.rounds, words.seconds, words.only)
    plan.check()
    results = open_results(plan, "peers", words.results)
    print(f"{sum(1 for _ in plan.list_cells())} runs; results in {results.path}", flush=True)
    if not run_with_progress(plan, results, "make bench"):
        print(f"stopped after {len(results)} runs; the same command goes on", file=sys.stderr)
        return _STATUS_INTERRUPTED
    report = write_report(plan, results, words.command)
    (results.path / "report.md").write_text(report + "\n", encoding="utf-8")
    chart = draw_chart(compare_with_peers(plan, results))
    (results.path / "chart.svg").write_text(chart, encoding="utf-8")
    print(report)
    if words.document or plan == declared:
        replace_between(DOCUMENT, "peers", report + "\n\n![Ratios to the best peer](benchmarks.svg)")
        DOCUMENT.with_suffix(".svg").write_text(chart, encoding="utf-8")
        print("\nwritten to docs/benchmarks.md and docs/benchmarks.svg")
    failed = [result for result in results if not result.is_measured]
    for result in failed:
        what = f"{result.trial.workload} under {result.trial.allocator}"
        print(f"{what}: {result.status}: {result.reason}", file=sys.stderr)
    return _STATUS_FAILED if failed else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, help="instead of the plan's")
    parser.add_argument("--seconds", type=float, help="length of a run of a workload, instead of the plan's")
    parser.add_argument("--only", default="", help="beginnings of names, separated by commas")
    parser.add_argument("--results", type=Path, help="folder; by default one for this plan and these builds")
    parser.add_argument("--document", action="store_true", help="write to docs/ even if it is cut short")
    words = parser.parse_args()
    words.command = describe_command("make bench", words)
    try:
        sys.exit(run(words))
    except WorkbenchError as error:
        print(f"make bench: {error}", file=sys.stderr)
        sys.exit(_STATUS_WRONG)


if __name__ == "__main__":
    main()
