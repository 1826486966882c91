"""A declared benchmark and its command line: runs what is missing, tells it, and writes it into docs/."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.declared import DOCUMENT, INPUTS, cut_plan, open_results, replace_between, run_with_progress
from workbench.errors import WorkbenchError
from workbench.experiments import ComparisonPlan, Results, read_comparison_plan

_STATUS_FAILED, _STATUS_WRONG, _STATUS_INTERRUPTED = 1, 2, 130


@dataclass(frozen=True)
class Benchmark:
    """What tells one benchmark from another.

    Attributes
    ----------
    name : str
        Of its plan (NAME.toml), its results and its place in docs/benchmarks.md.
    command : str
        What a reader types; sizes are added as make takes them, or as options.
    write_report : callable
        Plan, results and command to Markdown.
    draw_chart : callable, optional
        Plan and results to SVG.
    makers : mapping
        For each input in build/benchmarks that no repository should hold, what writes it to a path.
    """

    name: str
    command: str
    write_report: Callable[[ComparisonPlan, Results, str], str]
    draw_chart: Callable[[ComparisonPlan, Results], str] | None = None
    makers: Mapping[str, Callable[[Path], object]] = field(default_factory=dict)

    def main(self) -> None:
        """Run it with the words of the command line; ends the program."""
        parser = argparse.ArgumentParser(prog=self.command)
        parser.add_argument("--rounds", type=int, help="instead of the plan's")
        parser.add_argument("--seconds", type=float, help="length of a run, instead of the plan's")
        parser.add_argument("--only", default="", help="beginnings of names, separated by commas")
        parser.add_argument(
            "--results", type=Path, help="folder; by default one for this plan and these builds"
        )
        parser.add_argument("--document", action="store_true", help="write to docs/ even if it is cut short")
        words = parser.parse_args()
        try:
            sys.exit(self._run(words))
        except WorkbenchError as error:
            print(f"{self.command}: {error}", file=sys.stderr)
            sys.exit(_STATUS_WRONG)

    def _run(self, words: argparse.Namespace) -> int:
        declared = read_comparison_plan(Path(__file__).with_name(f"{self.name}.toml"))
        plan = cut_plan(declared, words.rounds, words.seconds, words.only)
        self.make_inputs(plan)
        plan.check()
        results = open_results(plan, self.name, words.results)
        print(f"{sum(1 for _ in plan.list_cells())} runs; results in {results.path}", flush=True)
        if not run_with_progress(plan, results, self.command):
            print(f"stopped after {len(results)} runs; the same command goes on", file=sys.stderr)
            return _STATUS_INTERRUPTED
        self._tell(plan, results, self._describe(words), is_document=words.document or plan == declared)
        failed = [result for result in results if not result.is_measured]
        for result in failed:
            what = f"{result.run.workload} under {result.run.allocator}"
            print(f"{what}: {result.status}: {result.reason}", file=sys.stderr)
        return _STATUS_FAILED if failed else 0

    def make_inputs(self, plan: ComparisonPlan) -> None:
        """Write and compile what the works of a plan read."""
        INPUTS.mkdir(parents=True, exist_ok=True)
        wanted = {path.name for work in plan.works for path in work.run.inputs}
        for name, make in self.makers.items():
            if name in wanted:
                make(INPUTS / name)

    def _tell(self, plan: ComparisonPlan, results: Results, command: str, *, is_document: bool) -> None:
        report = self.write_report(plan, results, command)
        (results.path / "report.md").write_text(report + "\n", encoding="utf-8")
        chart = self.draw_chart(plan, results) if self.draw_chart is not None else ""
        if chart:
            (results.path / "chart.svg").write_text(chart, encoding="utf-8")
        print(report)
        if not is_document:
            return
        if chart:
            DOCUMENT.with_suffix(".svg").write_text(chart, encoding="utf-8")
            report += f"\n\n![Ratios to the best peer]({DOCUMENT.stem}.svg)"
        replace_between(DOCUMENT, self.name, report)
        print("\nwritten to docs/")

    def _describe(self, words: argparse.Namespace) -> str:
        """The command with the sizes it was given."""
        sizes = {"rounds": words.rounds, "seconds": words.seconds, "only": words.only}
        given = {name: shlex.quote(str(value)) for name, value in sizes.items() if value}
        if self.command.startswith("make "):
            return " ".join([self.command, *(f"{name.upper()}={value}" for name, value in given.items())])
        return " ".join([self.command, *(f"--{name} {value}" for name, value in given.items())])
