"""What-if curves against real runs: how far off is what they foretell of other capacities.

    .venv/bin/python -m scripts.whatif_check [--seconds 3] [NAME ...]

Each workload, and ten replays of each of six datasets, run once at the defaults with `ghost.enable`. Then
they run with all caches fixed at 16, 64, 256 and 1024 slots: the same seed, the same operations, and a clock
that counts operations. The refills and flushes that came are compared with those that the first run foretold,
and for a dataset also with those that its trace foretells (`workbench trace whatif`). The table goes to
docs/traces.md, unless only some workloads and datasets are named.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

import workbench as wb
from workbench.control import Value
from workbench.control.ghosts import foretell
from workbench.errors import WorkerFailed
from workbench.processes import Run, Worker
from workbench.traces import CallKind, Trace, TraceChunk
from workbench.traces.places import find_trace
from workbench.traces.whatif import foretell as foretell_trace
from workbench.units import format_rough
from workbench.workloads import REPLAY, known_workloads

PAGE = Path(__file__).resolve().parent.parent / "docs" / "traces.md"
BEGINS, ENDS = "<!-- the table of what-if checks begins -->", "<!-- and ends -->"

CAPACITIES = (16, 64, 256, 1024)
DATASETS = ("gcc_cc1", "git_pack", "lua", "python_pipeline", "python_web", "redis")
LOOPS = 10
FEW_EXCHANGES = 100  # of so few in a run, a share says nothing
_LEAST_SHOWN = 0.05  # percent
_CAP_S = 300.0
_MOST_MID_SLOTS = 1024
_COMMON: dict[str, Value] = {"ghost.enable": True, "clock.mode": "operations"}


def fix_capacity(slots: int) -> dict[str, Value]:
    """Settings under which all caches have so many slots."""
    mid = min(slots, _MOST_MID_SLOTS)
    of_small = {f"tls.{name}_slots": slots for name in ("min", "initial", "max")}
    of_mid = {f"mid.{name}": mid for name in ("ring_min_slots", "ring_slots", "ring_max_slots")}
    return {**of_small, **of_mid, "tls.max_bytes": 0}


def observe(run: Run, settings: Mapping[str, Value]) -> pd.DataFrame:
    """Run it to its end, and read the curves of all that happened."""
    run = msgspec.structs.replace(run, tunables={**_COMMON, **settings})
    with Worker.start(run, paused=True) as worker:
        block = worker.allocator_block
        assert block is not None
        before = block.snapshot()
        worker.resume()
        outcome = worker.wait(_CAP_S)
        if outcome.status != "completed":
            raise WorkerFailed(f"{run.title} {outcome.status}: {outcome.message}")
        return foretell(before, block.snapshot(), run.allocator).curves


@dataclass(frozen=True)
class Comparison:
    """What was foretold of caches of one capacity, and what came, by the bytes of the class.

    Classes that cannot have so many slots are left out.
    """

    slots: int
    exchanges: pd.DataFrame
    standard_error: float

    @classmethod
    def of(cls, slots: int, foretold: pd.DataFrame, came: pd.DataFrame) -> Comparison:
        """Take the curve's points at so many slots, and the points of today of a run that had them."""
        told = foretold[foretold["is_foretold"] & (foretold["slots"] == slots)]
        real = came[came["is_today"]]
        columns = {
            "foretold": told.set_index("block_bytes")["exchanges"],
            "came": real.set_index("block_bytes")["exchanges"],
        }
        exchanges = pd.DataFrame(columns).reindex(columns["foretold"].index).fillna(0.0)
        return cls(slots, exchanges, math.hypot(*told["standard_error"]))

    @property
    def error_percent(self) -> float | None:
        """How many more exchanges of all classes were foretold than came; None if both are few."""
        foretold, came = self.exchanges["foretold"].sum(), self.exchanges["came"].sum()
        return None if max(foretold, came) < FEW_EXCHANGES else 100 * (foretold / max(came, 1.0) - 1)

    def tell_error(self) -> str:
        """As in the table: how wrong it was, and the standard error that the tool showed."""
        if self.error_percent is None:
            return "few"
        shown = 100 * self.standard_error / max(self.exchanges["foretold"].sum(), 1.0)
        return f"{self.error_percent:+.1f} %" + (f" (± {shown:.2g})" if shown >= _LEAST_SHOWN else "")

    def tell_worst(self) -> str:
        """The class that is farthest off, by the number of exchanges."""
        if self.error_percent is None:
            return ""
        distances = (self.exchanges["foretold"] - self.exchanges["came"]).abs()
        worst = self.exchanges.iloc[int(distances.to_numpy().argmax())]
        foretold, came = (format_rough(float(worst[name])) for name in ("foretold", "came"))
        size = format_rough(float(str(worst.name)), "bytes")
        return f"{size}, {self.slots} slots: {foretold} foretold, {came} real"


def compare(foretold: pd.DataFrame, came: Mapping[int, pd.DataFrame]) -> list[Comparison]:
    """Compare one set of curves with real runs, by their number of slots."""
    return [Comparison.of(slots, foretold, curves) for slots, curves in came.items()]


def list_replayed(trace: Trace, loops: int) -> Iterator[TraceChunk]:
    """All events of a replay: after each loop it frees what the trace leaves."""
    for _ in range(loops):
        made, freed, last_ns = [], [], 0
        for chunk in trace.chunks():
            made.append(chunk.object_id[chunk.kind <= CallKind.ALIGNED])
            freed.append(chunk.object_id[chunk.kind == CallKind.FREE])
            last_ns = int(chunk.time_ns[-1])
            yield chunk
        left = np.setdiff1d(np.concatenate(made), np.concatenate(freed), assume_unique=True)
        if len(left):
            yield TraceChunk.of(np.full(len(left), CallKind.FREE), object_id=left, time_ns=last_ns)


def foretell_replay(run: Run) -> pd.DataFrame:
    """What the trace of a replay foretells of the allocator's caches."""
    assert run.trace is not None
    with wb.open_trace(find_trace(run.trace)) as trace:
        loops = int(run.parameters.get("loops", 1))
        curves = foretell_trace(list_replayed(trace, loops), trace.metadata, None).curves
    return curves[curves["allocator"] == run.allocator]


def list_runs(names: Sequence[str], seconds: float) -> Iterator[Run]:
    """Workloads with as many operations as they make in so many seconds here, and replays of datasets."""
    for name in names:
        if name in DATASETS:
            yield Run(REPLAY, {"loops": LOOPS}, trace=name)
            continue
        operations = wb.run(name, seconds=seconds).operations
        yield Run(name, operations=max(1000, round(operations, 1 - len(str(operations)))))


def check(run: Run, capacities: Sequence[int] = CAPACITIES) -> Iterator[tuple[str, list[Comparison]]]:
    """Foretell and run; by what foretold it, "running" or "trace"."""
    foretold = {"running": observe(run, {})}
    if run.trace is not None:
        foretold["trace"] = foretell_replay(run)
    came = {slots: observe(run, fix_capacity(slots)) for slots in capacities}
    for source, curves in foretold.items():
        yield source, compare(curves, came)


def tabulate(run: Run, source: str, comparisons: list[Comparison]) -> str:
    """A line of the table."""
    worst = max(comparisons, key=lambda one: abs(one.error_percent or 0.0))
    length = "" if run.operations is None else format_rough(run.operations)
    cells = [run.trace or run.workload, source, length, *(one.tell_error() for one in comparisons)]
    return "| " + " | ".join([*cells, worst.tell_worst()]) + " |"


def put_table(page: Path, begins: str, lines: list[str]) -> None:
    """Replace the table of a page between the comment `begins` and the next ENDS."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begins)
    table = "\n".join([begins, "", *lines, "", ENDS])
    page.write_text(before + table + rest.partition(ENDS)[2], encoding="utf-8")


def main() -> None:
    """Run all, print the table and write it to its page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="a workload's length at the defaults")
    parser.add_argument("names", nargs="*", help="workloads and datasets; without them all")
    arguments = parser.parse_args()
    columns = ["run", "foretold by", "operations", *(f"{slots} slots" for slots in CAPACITIES)]
    lines = ["| " + " | ".join([*columns, "farthest off"]) + " |"]
    lines.append("| --- | --- |" + " ---: |" * (1 + len(CAPACITIES)) + " --- |")
    print(*lines, sep="\n", flush=True)
    for run in list_runs(arguments.names or [*known_workloads(), *DATASETS], arguments.seconds):
        for source, comparisons in check(run):
            lines.append(tabulate(run, source, comparisons))
            print(lines[-1], flush=True)
    if not arguments.names:
        put_table(PAGE, BEGINS, lines)


if __name__ == "__main__":
    main()
