"""What recording costs a program: interleaved pairs of runs with and without the recorder.

    .venv/bin/python benchmarks/recorder_cost.py [--pairs 15] [--only python3|sqlite3|git]

In each pair the order is drawn at random. Elapsed time is the program's, from its start to its end; its
records are resolved and compressed meanwhile, on another processor if there is one that is idle. Processor
time is what the program itself used. Prints the median ratio of both (recorded / plain) and its 95 %
interval (bootstrap), the processor time of an event, the size of an event in the trace, and at which rate
events are compressed with nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap

from workbench.processes import record
from workbench.traces import Trace, TraceWriter

PYTHON_WORK = """
import ast, glob
for name in sorted(glob.glob(ast.__file__.rpartition("/")[0] + "/a*.py")):
    with open(name) as file:
        ast.unparse(ast.parse(file.read()))
"""
SQL_WORK = """
create table t(a, b);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 300000)
    insert into t select x, hex(x * 7919 % 300007) from c;
create index i on t(b);
select count(*), max(b) from t where b > 'A';
"""
PROGRAMS = {
    "python3": [sys.executable, "-c", PYTHON_WORK],
    "sqlite3": ["sqlite3", ":memory:", SQL_WORK],
    "git": ["git", "log", "--stat", "-n", "200"],
}


def run_plain(command: list[str]) -> float:
    """Elapsed seconds of one run."""
    start_s = time.monotonic()
    subprocess.run(
        command, env=os.environ | {"PYTHONMALLOC": "malloc"}, stdout=subprocess.DEVNULL, check=True
    )
    return time.monotonic() - start_s


def used_s() -> float:
    """Processor time of all programs that ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure_reading(path: Path, folder: Path) -> float:
    """Events a second that are written again as a trace."""
    with Trace.open(path) as trace:
        chunks = list(trace.chunks())
    start = time.monotonic()
    with TraceWriter.open(folder / "again.haktrace") as writer:
        for chunk in chunks:
            writer.append(chunk, peak_live_bytes=0)
    return sum(map(len, chunks)) / (time.monotonic() - start)


def describe_ratio(ratios: list[float]) -> str:
    logs = np.log(ratios)
    interval = bootstrap((logs,), np.median, method="percentile", rng=1).confidence_interval
    return f"{np.exp(np.median(logs)):.2f} ({np.exp(interval.low):.2f} to {np.exp(interval.high):.2f})"


def measure(name: str, command: list[str], pairs: int, folder: Path) -> None:
    order = random.Random(1)
    elapsed_ratios, used_ratios, costs_ns = [], [], []
    output = folder / f"{name}.haktrace"
    for _ in range(pairs):
        elapsed_s, processor_s = {}, {}
        for is_recorded in order.sample([True, False], 2):
            before_s = used_s()
            if is_recorded:
                outcome = record(command, output, stdout=subprocess.DEVNULL)
                elapsed_s[True] = outcome.elapsed_s
            else:
                elapsed_s[False] = run_plain(command)
            processor_s[is_recorded] = used_s() - before_s
        trace = outcome.traces[0]
        elapsed_ratios.append(elapsed_s[True] / elapsed_s[False])
        used_ratios.append(processor_s[True] / processor_s[False])
        costs_ns.append(1e9 * (processor_s[True] - processor_s[False]) / trace.metadata.event_count)
    print(
        f"{name}: recorded / plain, {pairs} pairs: elapsed {describe_ratio(elapsed_ratios)}, "
        f"processor time {describe_ratio(used_ratios)}, {np.median(costs_ns):.0f} ns an event\n"
        f"    {trace.metadata.event_count} events, "
        f"{trace.metadata.event_count / elapsed_s[False] / 1e6:.1f} M/s without recorder, "
        f"{trace.bytes_per_event:.2f} bytes an event, "
        f"compressed at {measure_reading(output, folder) / 1e6:.1f} M events/s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--only", choices=PROGRAMS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, command in PROGRAMS.items():
            if arguments.only in (None, name):
                measure(name, command, arguments.pairs, Path(folder))


if __name__ == "__main__":
    main()
