"""What a reader of the control block costs the program: interleaved pairs of runs with and without one.

    .venv/bin/python benchmarks/reader_cost.py [--workload random_mixed] [--pairs 30] [--seconds 1]

In each pair the order is drawn at random. The reader samples ten times a second, as the panel does.
Prints the median ratio of throughputs (with a reader / without) and its 95 % interval (bootstrap).
"""

from __future__ import annotations

import argparse
import random
import threading

import numpy as np
from scipy.stats import bootstrap

from workbench.control import ControlBlock
from workbench.processes import Run, Worker

SAMPLES_PER_S = 10


def read_until(stopped: threading.Event, block: ControlBlock) -> None:
    cursor = 0
    while not stopped.wait(1 / SAMPLES_PER_S):
        block.snapshot()
        cursor = block.events(cursor).cursor


def measure(spec: Run, *, with_reader: bool) -> float:
    """Operations per second of one run in a fresh process."""
    stopped = threading.Event()
    with Worker.start(spec) as worker:
        assert worker.allocator_block is not None
        reader = threading.Thread(target=read_until, args=(stopped, worker.allocator_block))
        if with_reader:
            reader.start()
        outcome = worker.wait(60)
        stopped.set()
        if with_reader:
            reader.join()
    if outcome.status != "completed":
        raise SystemExit(f"the run ended as {outcome.status}: {outcome.message}")
    return outcome.operations_per_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workload", default="random_mixed")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1)
    arguments = parser.parse_args()
    spec = Run(arguments.workload, threads=1, seed=1, allocator="hakmem", seconds=arguments.seconds)
    order = random.Random(1)
    log_ratios = []
    for _ in range(arguments.pairs):
        rates = {}
        for with_reader in order.sample([True, False], 2):
            rates[with_reader] = measure(spec, with_reader=with_reader)
        log_ratios.append(np.log(rates[True] / rates[False]))
    interval = bootstrap((np.array(log_ratios),), np.median, method="percentile", rng=1).confidence_interval
    print(
        f"{arguments.workload}: with a reader / without = {np.exp(np.median(log_ratios)):.4f}, "
        f"95 % interval {np.exp(interval.low):.4f} to {np.exp(interval.high):.4f}, {arguments.pairs} pairs"
    )


if __name__ == "__main__":
    main()
