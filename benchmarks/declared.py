"""What the declared benchmarks share: plans cut to size, folders that go on, progress, generated text."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from workbench.api.progress import show_progress
from workbench.errors import BadParameter, MixedResults
from workbench.experiments import (
    Comparison,
    ComparisonPlan,
    Ratio,
    Result,
    Results,
    Work,
    conclude,
    describe_machine,
    describe_software,
    run_comparison,
)
from workbench.plain_values import canonical_json

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "benchmarks.md"
PROGRAMS = Path(__file__).parent / "programs"
INPUTS = ROOT / "build" / "benchmarks"
CXX = ("g++", "-std=c++17", "-O2", "-pthread")
_TOLD_EVERY_S = 30.0
_QUIET_LOAD = 1.0


def compile_to(path: Path, source: str, *compiler: str) -> None:
    """Compile a source of programs/."""
    subprocess.run([*compiler, "-o", path, PROGRAMS / source], check=True)


def cut_plan(
    plan: ComparisonPlan, rounds: int | None, seconds: float | None, beginnings: str
) -> ComparisonPlan:
    """The plan with other sizes, and only with works whose name begins so (separated by commas)."""
    works = plan.works
    if beginnings:
        wanted = tuple(part.strip() for part in beginnings.split(","))
        unknown = [part for part in wanted if not any(work.name.startswith(part) for work in works)]
        if unknown:
            names = "; ".join(dict.fromkeys(work.name.partition(" / ")[0] for work in works))
            raise BadParameter(f"no work begins with '{unknown[0]}'; there are {names}")
        works = tuple(work for work in works if work.name.startswith(wanted))
    if seconds is not None:
        works = tuple(_resize(work, seconds) for work in works)
    return replace(plan, works=works, rounds=plan.rounds if rounds is None else rounds)


def open_results(plan: ComparisonPlan, name: str, folder: Path | None = None) -> Results:
    """The results of this plan on this machine with these builds: the same call goes on where it was."""
    if folder is None:
        builds = {one.allocator: describe_software(one.allocator) for one in plan.variants}
        content = {
            "plan": plan.to_dict(),
            "machine": describe_machine().id,
            "builds": {
                key: [one.allocator_checksum, one.runner_checksum] for key, one in sorted(builds.items())
            },
        }
        digest = hashlib.sha256(canonical_json(content).encode()).hexdigest()[:10]
        folder = ROOT / "benchmarks" / f"{name}-{digest}.results"
    return Results.open(folder)


def run_with_progress(plan: ComparisonPlan, results: Results, title: str) -> bool:
    """Run what is missing; False if it was interrupted, and what is done is kept.

    Raises
    ------
    MixedResults
        As soon as a library is built anew under the running benchmark.
    """
    run_ids = {cell.run.resolve().id for cell in plan.list_cells()}
    before = results.ids & run_ids
    kept = [result for result in results if result.id in before]
    builds = {one.run.allocator: one.software.allocator_checksum for one in kept}

    def take(result: Result) -> None:
        checksum = builds.setdefault(result.run.allocator, result.software.allocator_checksum)
        if result.software.allocator_checksum != checksum:
            raise MixedResults(
                f"{result.run.allocator} was built anew meanwhile; run the same command again to begin anew"
            )
        tell(result)
        advance(result)

    if (load := os.getloadavg()[0]) > _QUIET_LOAD:
        print(f"the load average is {load:.1f}: intervals will be wide; stop other work", file=sys.stderr)
    tell = _tell_on_lines(len(run_ids) - len(before))
    with show_progress(title, len(run_ids), len(before)) as advance:
        try:
            run_comparison(plan, results, take)
        except KeyboardInterrupt:
            return False
    return True


def compare_two(plan: ComparisonPlan, results: Results, baseline: str, variant: str) -> Comparison:
    """Of the plan's results, one variant against another."""
    named = {one.name: one for one in plan.variants}
    return conclude(replace(plan, variants=(named[baseline], named[variant])), results)


def format_ratio(ratio: Ratio | None) -> str:
    """Write "1.04 (1.03 to 1.06)"."""
    if ratio is None or ratio.pairs == 0:
        return "–"
    if ratio.low == 0:
        return f"{ratio.estimate:.2f} (too few rounds)"
    return f"{ratio.estimate:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def write_table(table: Sequence[Sequence[str]], left: tuple[int, ...] = (0,)) -> str:
    """Markdown of a table, its titles first; columns are numbers unless they are said to be left."""
    rule = ["---" if place in left else "---:" for place in range(len(table[0]))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [table[0], rule, *table[1:]])


def replace_between(path: Path, name: str, text: str) -> None:
    """Put text between the markers of that name; all else stays.

    Raises
    ------
    BadParameter
        If the file has no such markers.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = path.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", flags=re.DOTALL)
    if not pattern.search(old):
        raise BadParameter(f"{path}: there is no '{begin}' with its end; put both where the text shall stand")
    inner = text.strip("\n")  # blanks before a line may mean something
    path.write_text(pattern.sub(lambda _: f"{begin}\n\n{inner}\n\n{end}", old), encoding="utf-8")


def describe_conditions(results: Results) -> str:
    """Machine, builds and load, in one paragraph."""
    kept = list(results)
    first = kept[0]
    versions = {one.run.allocator: one.software.allocator_version for one in kept}
    loads = sorted(one.load_before for one in kept)
    day = time.strftime("%Y-%m-%d", time.gmtime(kept[-1].ended_s))
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    revision = first.software.source_revision
    return (
        f"{first.machine.description}; transparent huge pages: {first.machine.huge_pages}. {named}; "
        f"source {revision[:18]}. Ended on {day}; load average before the runs: median "
        f"{loads[len(loads) // 2]:.1f}, highest {loads[-1]:.1f}."
    )


def _resize(work: Work, seconds: float) -> Work:
    if work.run.command or work.run.operations is not None:
        return work  # they run to their own end
    return Work(work.name, replace(work.run, seconds=seconds))


def _tell_on_lines(total: int) -> Callable[[Result], None]:
    """Where no terminal shows a bar: a line now and then, with the time left."""
    started_s = told_s = time.monotonic()
    done = 0

    def tell(_: Result) -> None:
        nonlocal done, told_s
        done += 1
        now_s = time.monotonic()
        if sys.stderr.isatty() or (now_s - told_s < _TOLD_EVERY_S and done < total):
            return
        told_s = now_s
        left_min = (now_s - started_s) / done * (total - done) / 60
        print(f"{done} of {total} runs, about {left_min:.0f} min left", file=sys.stderr, flush=True)

    return tell
