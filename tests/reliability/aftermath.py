"""Runs workloads one after the other in this process, and says what memory there is after each, as JSON.

usage: aftermath.py SECONDS WORKLOAD...
"""

from __future__ import annotations

import json
import sys

import psutil

from workbench.bindings.native import lib
from workbench.control import ControlBlock
from workbench.processes import InProcessRun, Run

WATCHED = ("os.committed_bytes", "heap.handed_out_bytes", "ss.busy_slabs")


def main() -> None:
    seconds = float(sys.argv[1])
    process = psutil.Process()
    told = []
    with InProcessRun.start(Run("pair", operations=1000)) as first:
        first.wait(60)
    for workload in sys.argv[2:]:
        lib.hak_trim()
        before_bytes = process.memory_info().rss
        with InProcessRun.start(Run(workload, threads=4, seconds=seconds)) as run:
            outcome = run.wait(seconds * 10 + 120)
        lib.hak_trim()
        with ControlBlock.own() as block:
            snapshot = block.snapshot()
            levels = {name: snapshot.fold(name) for name in WATCHED}
        told.append(
            {
                "workload": workload,
                "status": outcome.status,
                "operations": outcome.operations,
                "resident_before_bytes": before_bytes,
                "resident_after_bytes": process.memory_info().rss,
                **levels,
            }
        )
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
