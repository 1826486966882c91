"""Which defaults `os.thp` and `ss.purge_delay_ms` deserve: each value against what is shipped.

    .venv/bin/python -m benchmarks.thp [--rounds N] [--seconds S] [--only larson] [--document]

Runs what is missing of thp.toml. With --document, or if nothing is cut short, the table of
docs/benchmarks.md is made from the results, too.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.declared import (
    DOCUMENT,
    cut_plan,
    describe_conditions,
    format_ratio,
    open_results,
    replace_between,
    run_with_progress,
    write_table,
)
from workbench.errors import WorkbenchError
from workbench.experiments import (
    MEASURES,
    THROUGHPUT,
    ComparisonPlan,
    Results,
    conclude,
    read_comparison_plan,
)

_PLAN = Path(__file__).with_name("thp.toml")
_COMMAND = ".venv/bin/python -m benchmarks.thp"
_RESIDENT = next(measure for measure in MEASURES if measure.name == "mean resident")
_STATUS_WRONG, _STATUS_INTERRUPTED = 2, 130


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
    rounds = f"{plan.rounds} interleaved rounds of {plan.works[0].trial.seconds:g} s."
    return "\n\n".join(
        [f"    {command}", f"{rounds} {describe_conditions(results)}", write_table(table, left=(0, 1))]
    )


def describe_command(words: argparse.Namespace) -> str:
    """The command with the sizes it was given."""
    sizes = {"--rounds": words.rounds, "--seconds": words.seconds, "--only": words.only}
    return " ".join([_COMMAND, *(f"{option} {value}" for option, value in sizes.items() if value)])


def run(words: argparse.Namespace) -> int:
    declared = read_comparison_plan(_PLAN)
    plan = cut_plan(declared, words.rounds, words.seconds, words.only)
    plan.check()
    results = open_results(plan, "thp", words.results)
    print(f"{sum(1 for _ in plan.list_cells())} runs; results in {results.path}", flush=True)
    if not run_with_progress(plan, results, "defaults"):
        print(f"stopped after {len(results)} runs; the same command goes on", file=sys.stderr)
        return _STATUS_INTERRUPTED
    report = write_report(plan, results, describe_command(words))
    print(report)
    if words.document or plan == declared:
        replace_between(DOCUMENT, "thp", report)
        print("\nwritten to docs/benchmarks.md")
    return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, help="instead of the plan's")
    parser.add_argument("--seconds", type=float, help="length of a run, instead of the plan's")
    parser.add_argument("--only", default="", help="beginnings of names, separated by commas")
    parser.add_argument("--results", type=Path, help="folder; by default one for this plan and these builds")
    parser.add_argument("--document", action="store_true", help="write to docs/ even if it is cut short")
    try:
        sys.exit(run(parser.parse_args()))
    except WorkbenchError as error:
        print(f"thp: {error}", file=sys.stderr)
        sys.exit(_STATUS_WRONG)


if __name__ == "__main__":
    main()
