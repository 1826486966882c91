"""How fast traces are replayed at `max`, under every allocator, and what of it is the replayer's own.

    .venv/bin/python benchmarks/replay_rate.py [--rounds 7] [--events 10e6] [--touch 2] [NAME...]
    .venv/bin/python benchmarks/replay_rate.py --instructions [NAME...]

NAME is a dataset or a file; without one, a few datasets of one thread. In each round every trace is replayed
once under every allocator, in random order, often enough to make so many events. Counted is processor time,
which other people's work on the machine does not change: that of the program, and with it that of the kernel
for it. Prints medians in million events a second.

`--instructions` counts under callgrind, with glibc and nothing written to blocks, as the difference of three
loops and one: what an event costs in the replayer (its loop; reading and checking the plan), and in malloc
and free.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import statistics
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

from workbench.allocators import RUNNER, allocators
from workbench.datasets import find_trace
from workbench.processes import Run, run
from workbench.traces.plan import find_plan

DATASETS = ("qpdf", "jq", "lua", "perl", "python_json_ast")
TIMEOUT_S = 600
FUNCTION = re.compile(r"^\s*([0-9,]+) \([ 0-9.]+%\)\s+(\S*?):(\S+?)(?: \[(\S+)\])?$")


def used_s() -> tuple[float, float]:
    """Processor time of all programs that ended so far: their own, the kernel's for them."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime, usage.ru_stime


def measure_rate(trace: Path, allocator: str, events: float, touch: int) -> tuple[float, float]:
    """Million events a second of its own processor time, and of all of it."""
    loops = max(1, round(events / find_plan(trace).event_count))
    parameters = {"loops": float(loops), "touch": float(touch)}
    before = used_s()
    outcome = run(Run("replay", trace=str(trace), allocator=allocator, parameters=parameters), TIMEOUT_S)
    own_s, kernel_s = (after - start for after, start in zip(used_s(), before, strict=True))
    if outcome.status != "completed":
        raise SystemExit(f"{trace.stem} under {allocator}: {outcome.status}: {outcome.message}")
    return outcome.operations / own_s / 1e6, outcome.operations / (own_s + kernel_s) / 1e6


def measure_rates(names: list[str], rounds: int, events: float, touch: int) -> None:
    traces = {name: find_trace(name) for name in names}
    available = [allocator.name for allocator in allocators() if allocator.available]
    rates: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    order = random.Random(1)
    pairs = [(name, allocator) for name in names for allocator in available]
    for _ in range(rounds):
        for name, allocator in order.sample(pairs, len(pairs)):
            rates[name, allocator].append(measure_rate(traces[name], allocator, events, touch))
    print(f"M events/s of own processor time (with the kernel's), medians of {rounds} rounds, touch {touch}")
    print(f"{'':18}" + "".join(f"{allocator:>16}" for allocator in available))
    for name in names:
        cells = [describe(rates[name, allocator]) for allocator in available]
        print(f"{name:18}" + "".join(f"{cell:>16}" for cell in cells))


def describe(rates: list[tuple[float, float]]) -> str:
    own, whole = (statistics.median(column) for column in zip(*rates, strict=True))
    return f"{own:.1f} ({whole:.1f})"


def count_instructions(plan: Path, loops: int, folder: Path) -> dict[str, int]:
    """Instructions of the replayer's loop, of reading the plan, and of all else."""
    output = folder / f"callgrind.{loops}"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", str(RUNNER)]
    command += ["--workload", "replay", "--trace-plan", str(plan), "--seconds", "1000"]
    command += ["--param", f"loops={loops}", "--param", "touch=0"]
    subprocess.run(command, capture_output=True, check=True, timeout=TIMEOUT_S)
    listing = subprocess.run(
        ["callgrind_annotate", "--threshold=100", "--auto=no", output],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    counts = {"loop": 0, "plan": 0, "allocator": 0}
    for row in filter(None, map(FUNCTION.match, listing.splitlines())):
        _, source, function, _ = row.groups()
        is_ours = "native/workloads" in source
        part = "plan" if is_ours and "segment" in function else "loop" if is_ours else "allocator"
        counts[part] += int(row[1].replace(",", ""))
    return counts


def measure_instructions(names: list[str]) -> None:
    print("instructions an event, glibc: the replayer's loop, reading the plan, malloc and free")
    for name in names:
        plan = find_plan(find_trace(name))
        with tempfile.TemporaryDirectory() as folder:
            few, many = (count_instructions(plan.path, loops, Path(folder)) for loops in (1, 3))
        parts = [(many[part] - few[part]) / 2 / plan.event_count for part in few]
        print(f"{name:18}" + "".join(f"{part:8.1f}" for part in parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(DATASETS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--events", type=float, default=10e6, help="of one replay")
    parser.add_argument("--touch", type=int, default=2, choices=range(4))
    parser.add_argument("--instructions", action="store_true")
    arguments = parser.parse_args()
    if arguments.instructions:
        measure_instructions(arguments.names)
    else:
        measure_rates(arguments.names, arguments.rounds, arguments.events, arguments.touch)


if __name__ == "__main__":
    main()
