"""The policies of thread caches compared: refills and flushes, and memory, under threshold and marginal.

    .venv/bin/python -m scripts.policy_check [--seconds 1.5] [NAME ...]

Each workload, and replays of six datasets, run under both values of `tls.policy`: the same seed, the same
operations, and a clock that counts operations. Slots are what the caches may hold and blocks what they do
hold: means of readings during the run. The table goes to docs/benchmarks.md, unless only some workloads and
datasets are named.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

import workbench as wb
from scripts.whatif_check import DATASETS, put_table
from workbench.control import Snapshot
from workbench.errors import WorkerFailed
from workbench.processes import Run, Worker
from workbench.units import format_rough
from workbench.workloads import REPLAY, known_workloads

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEGINS = "<!-- the table of cache policies begins -->"

LOOPS = 20
PAUSE_S = 0.02  # between readings


@dataclass(frozen=True)
class Cost:
    """What a run's thread caches cost: refills and flushes, and what they may hold and do hold."""

    exchanges: float
    slots_kib: float
    blocks_kib: float


def read_kib(snapshot: Snapshot, metric: str) -> float:
    """KiB of a metric that counts blocks of each thread and class."""
    counts = snapshot.values[metric]
    classes = snapshot.layout.axes[snapshot.metric(metric).axes[1]]
    block_bytes = [int(classes.label(index).split()[0]) for index in range(counts.shape[1])]
    return float((counts @ np.array(block_bytes)).sum() / 1024)


def observe(run: Run, policy: str) -> Cost:
    """Run it to its end under the policy, and read its caches meanwhile."""
    run = msgspec.structs.replace(run, tunables={"clock.mode": "operations", "tls.policy": policy})
    readings = []
    with Worker.start(run, paused=True) as worker:
        block = worker.allocator_block
        assert block is not None
        worker.resume()
        while (outcome := worker.await_end(PAUSE_S)) is None:
            now = block.snapshot()
            readings.append((read_kib(now, "tls.capacity"), read_kib(now, "tls.cached")))
        if outcome.status != "completed":
            raise WorkerFailed(f"{run.title} {outcome.status}: {outcome.message}")
        last = block.snapshot()
        exchanges = last.fold("tls.refills") + last.fold("tls.flushes")
    slots, blocks = np.mean(readings or [(0.0, 0.0)], axis=0)
    return Cost(exchanges, float(slots), float(blocks))


def list_runs(names: Sequence[str], seconds: float) -> Iterator[Run]:
    """Workloads with as many operations as they make in so many seconds here, and replays of datasets."""
    for name in names:
        if name in DATASETS:
            yield Run(REPLAY, {"loops": LOOPS}, trace=name)
            continue
        operations = wb.run(name, seconds=seconds).operations
        yield Run(name, operations=max(1000, round(operations, 1 - len(str(operations)))))


def tabulate(run: Run, threshold: Cost, marginal: Cost) -> str:
    """A line of the table."""
    cells = [run.trace or run.workload, "" if run.operations is None else format_rough(run.operations)]
    for name in ("exchanges", "slots_kib", "blocks_kib"):
        old, new = getattr(threshold, name), getattr(marginal, name)
        change = f"{100 * (new / old - 1):+.1f} %" if old else ""
        cells += [format_rough(old), format_rough(new), change]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Run all, print the table and write it to its page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.5, help="a workload's length at the defaults")
    parser.add_argument("names", nargs="*", help="workloads and datasets; without them all")
    arguments = parser.parse_args()
    columns = ["run", "operations"]
    for name in ("exchanges", "slots, KiB", "blocks, KiB"):
        columns += [f"{name}: threshold", "marginal", "change"]
    lines = ["| " + " | ".join(columns) + " |", "| --- |" + " ---: |" * (len(columns) - 1)]
    print(*lines, sep="\n", flush=True)
    for run in list_runs(arguments.names or [*known_workloads(), *DATASETS], arguments.seconds):
        lines.append(tabulate(run, observe(run, "threshold"), observe(run, "marginal")))
        print(lines[-1], flush=True)
    if not arguments.names:
        put_table(PAGE, BEGINS, lines)


if __name__ == "__main__":
    main()
