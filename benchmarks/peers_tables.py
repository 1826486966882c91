"""Ours against every peer, and against the best of them: rows, and tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.declared import compare_two, format_ratio, write_table
from workbench.experiments import (
    ALL_WORKS,
    PEAK_RESIDENT,
    PROCESSOR_TIME,
    THROUGHPUT,
    Comparison,
    ComparisonPlan,
    Measure,
    Ratio,
    Results,
)
from workbench.units import MIB

OURS = "hakmem"
_MILLION = 1e6
#: Peaks are compared with this peer's.
_MEMORY_PEER = "mimalloc3"


@dataclass(frozen=True)
class Row:
    """A work: medians by allocator, and ours as a ratio to each peer."""

    name: str
    threads: str
    is_program: bool
    speed: Mapping[str, float]  # operations a second
    peak_bytes: Mapping[str, float]
    ratios: Mapping[str, Ratio]
    peak_ratios: Mapping[str, Ratio]
    processor_s: Mapping[str, float]  # of programs only
    processor_ratios: Mapping[str, Ratio]

    @property
    def best_peer(self) -> str:
        """The fastest by its median: also who is it by chance."""
        peers = {name: value for name, value in self.speed.items() if name != OURS and value > 0}
        return max(peers, key=lambda name: peers[name]) if peers else ""

    @property
    def best_ratio(self) -> Ratio | None:
        """Ours to the best peer's."""
        return self.ratios.get(self.best_peer)


def compare_with_peers(plan: ComparisonPlan, results: Results) -> list[Row]:
    """Every work against every peer, from results of the plan."""
    comparisons = {peer: compare_two(plan, results, peer, OURS) for peer in _list_peers(plan)}
    rows = []
    for work in plan.works:
        speed: dict[str, float] = {}
        peak_bytes: dict[str, float] = {}
        ratios: dict[str, Ratio] = {}
        peak_ratios: dict[str, Ratio] = {}
        processor_s: dict[str, float] = {}
        processor_ratios: dict[str, Ratio] = {}
        for peer, comparison in comparisons.items():
            _take(comparison, work.name, THROUGHPUT, peer, speed, ratios)
            _take(comparison, work.name, PEAK_RESIDENT, peer, peak_bytes, peak_ratios)
            _take(comparison, work.name, PROCESSOR_TIME, peer, processor_s, processor_ratios)
        name, _, threads = work.name.partition(" / ")
        rows.append(
            Row(
                name=name,
                threads=threads,
                is_program=bool(work.run.command),
                speed=speed,
                peak_bytes=peak_bytes,
                ratios=ratios,
                peak_ratios=peak_ratios,
                processor_s=processor_s,
                processor_ratios=processor_ratios,
            )
        )
    return rows


def write_speed_table(plan: ComparisonPlan, rows: Sequence[Row]) -> str:
    """Medians, and the ratio to the best peer with its 95 % interval."""
    names = [OURS, *_list_peers(plan)]
    table = [["work", "threads", *names, "best peer", "ours / best (95 %)"]]
    for row in rows:
        cells = [_format_speed(row, name) for name in names]
        ratio = row.best_ratio
        table.append([row.name, row.threads, *cells, row.best_peer, format_ratio(ratio)])
    return write_table(table, left=(0, len(names) + 2))


def write_processor_table(plan: ComparisonPlan, rows: Sequence[Row]) -> str:
    """Medians of the processor time of programs, and the ratio to the best peer; empty without programs."""
    names = [OURS, *_list_peers(plan)]
    table = [["program", *names, "best peer", "ours / best (95 %)"]]
    for row in rows:
        peers = {name: row.processor_s[name] for name in names[1:] if name in row.processor_s}
        if not peers:
            continue
        best = min(peers, key=lambda name: peers[name])
        cells = [f"{row.processor_s[name]:.2f} s" if name in row.processor_s else "–" for name in names]
        table.append([row.name, *cells, best, format_ratio(row.processor_ratios.get(best))])
    return write_table(table, left=(0, len(names) + 1)) if len(table) > 1 else ""


def write_memory_table(plan: ComparisonPlan, rows: Sequence[Row]) -> str:
    """Medians of the peaks, and the ratio to mimalloc's with its 95 % interval."""
    names = [OURS, *_list_peers(plan)]
    table = [["work", "threads", *names, f"ours / {_MEMORY_PEER} (95 %)"]]
    for row in rows:
        cells = [f"{row.peak_bytes[name] / MIB:.1f}" if name in row.peak_bytes else "–" for name in names]
        table.append([row.name, row.threads, *cells, format_ratio(row.peak_ratios.get(_MEMORY_PEER))])
    return write_table(table)


def describe_summary(plan: ComparisonPlan, results: Results, rows: Sequence[Row]) -> str:
    """Geometric means against each peer, and on how many rows ours is ahead of the best."""
    table = [["ours / peer, geometric mean of all rows (95 %)", "speed", "peak resident"]]
    for peer in _list_peers(plan):
        comparison = compare_two(plan, results, peer, OURS)
        table.append([peer, *(_describe_mean(comparison, one) for one in (THROUGHPUT, PEAK_RESIDENT))])
    judged = [ratio for row in rows if (ratio := row.best_ratio) is not None and ratio.low > 0]
    ahead = sum(ratio.low > 1 for ratio in judged)
    behind = sum(ratio.high < 1 for ratio in judged)
    text = (
        f"Of {len(judged)} rows ours is ahead of the best peer on {ahead} (its 95 % interval lies above 1), "
        f"behind on {behind}, and level on {len(judged) - ahead - behind}. "
    )
    if len(judged) < len(rows):
        unjudged = len(rows) - len(judged)
        text = f"On {unjudged} of {len(rows)} rows there are too few rounds for an interval. {text}"
    text = (text + _describe_outputs(plan, results)).strip()
    return f"{text}\n\n{write_table(table)}" if len(plan.works) > 1 else text


def _describe_outputs(plan: ComparisonPlan, results: Results) -> str:
    """Whether whole programs came to the same results under all allocators."""
    outputs: dict[str, set[str]] = {}
    for cell in plan.list_cells():
        result = results.get(cell.run.resolve().id)
        if cell.run.command and result is not None and result.is_measured:
            outputs.setdefault(cell.work, set()).add(result.checksum)
    if not outputs:
        return ""
    different = [name for name, checksums in outputs.items() if len(checksums) > 1]
    if different:
        return f"Results of {', '.join(different)} DIFFER between runs."
    return "Whole programs wrote the same under all allocators."


def _list_peers(plan: ComparisonPlan) -> list[str]:
    return [variant.name for variant in plan.variants if variant.name != OURS]


def _take(
    comparison: Comparison,
    work: str,
    measure: Measure,
    peer: str,
    values: dict[str, float],
    ratios: dict[str, Ratio],
) -> None:
    try:
        finding = comparison.find(work, OURS, measure)
    except KeyError:  # nothing was measured
        return
    for name, value in ((OURS, finding.value), (peer, finding.baseline_value)):
        if math.isfinite(value):
            values[name] = value
    if finding.ratio.pairs:
        ratios[peer] = finding.ratio


def _describe_mean(comparison: Comparison, measure: Measure) -> str:
    try:
        return format_ratio(comparison.find(ALL_WORKS, OURS, measure).ratio)
    except KeyError:
        return "–"


def _format_speed(row: Row, name: str) -> str:
    value = row.speed.get(name)
    if value is None:
        return "–"
    if row.is_program:
        return f"{1 / value:.2f} s"
    millions = value / _MILLION
    return f"{millions:.0f}" if millions >= 100 else f"{millions:.1f}" if millions >= 1 else f"{millions:.3f}"
