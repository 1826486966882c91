"""What a control block and a reader of it cost the program: interleaved runs, three to a round.

    .venv/bin/python benchmarks/reader_cost.py [--allocators hakmem,glibc,...] [--workload random_mixed]
        [--rounds 30] [--seconds 1]

In one run of a round nobody may look (an allocator that is not ours then runs without the agent), one has a
control block and no reader, and one is sampled ten times a second, as the panel does. Their order is drawn at
random. Prints, for each of the latter two, the median ratio of operations in a second of processor time to
that of the first, with its 95 % interval (bootstrap); and which part of one core the agent's helper used
while it was read. The processor time is the whole process's, with the helper's.
"""

from __future__ import annotations

import argparse
import random
import resource
import threading
from collections import defaultdict

import numpy as np
from scipy.stats import bootstrap

from workbench.control import ControlBlock
from workbench.processes import Run, Worker

SAMPLES_PER_S = 10
STATES = ("without", "unwatched", "watched")
BUSY_NS = "agent.busy_ns"


def read_until(stopped: threading.Event, block: ControlBlock) -> float:
    """Sample as the panel does; the part of a core that the helper used meanwhile."""
    cursor = 0
    first = last = block.snapshot()
    while not stopped.wait(1 / SAMPLES_PER_S):
        last = block.snapshot()
        cursor = block.events(cursor).cursor
    if BUSY_NS not in block.metrics or last.time_s == first.time_s:
        return 0.0
    return (last.fold(BUSY_NS) - first.fold(BUSY_NS)) / (last.time_s - first.time_s) / 1e9


def used_s() -> float:
    """Processor time of all programs that ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(spec: Run, state: str) -> tuple[float, float]:
    """Operations a second of processor time, and the helper's part of a core, of a fresh process."""
    stopped, busy = threading.Event(), [0.0]
    before_s = used_s()
    with Worker.start(spec, is_watched=state != "without") as worker:
        block = worker.allocator_block
        reader = None
        if state == "watched" and block is not None:
            reader = threading.Thread(target=lambda: busy.append(read_until(stopped, block)))
            reader.start()
        outcome = worker.wait(120)
        stopped.set()
        if reader is not None:
            reader.join()
    if outcome.status != "completed":
        raise SystemExit(f"the run ended as {outcome.status}: {outcome.message}")
    return outcome.operations / (used_s() - before_s), busy[-1]


def describe_ratio(logs: list[float]) -> str:
    interval = bootstrap((logs,), np.median, method="percentile", rng=1).confidence_interval
    return f"{np.exp(np.median(logs)):.3f} ({np.exp(interval.low):.3f} to {np.exp(interval.high):.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--allocators", default="hakmem,glibc,jemalloc,tcmalloc,mimalloc2,mimalloc3")
    parser.add_argument("--workload", default="random_mixed")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1)
    arguments = parser.parse_args()
    title = f"{arguments.workload}, {arguments.rounds} rounds"
    print(f"| {title} | unwatched / without | watched / without | helper |")
    print("| --- | --- | --- | ---: |")
    for allocator in arguments.allocators.split(","):
        spec = Run(arguments.workload, threads=1, seed=1, allocator=allocator, seconds=arguments.seconds)
        order = random.Random(1)
        ratios: dict[str, list[float]] = defaultdict(list)
        parts = []
        for _ in range(arguments.rounds):
            found = {state: measure(spec, state) for state in order.sample(STATES, len(STATES))}
            for state, (rate, _) in found.items():
                ratios[state].append(float(np.log(rate / found["without"][0])))
            parts.append(found["watched"][1])
        told = [describe_ratio(ratios[state]) for state in STATES[1:]]
        print(f"| {allocator} | {told[0]} | {told[1]} | {100 * np.median(parts):.2f} % |", flush=True)


if __name__ == "__main__":
    main()
