"""Results made up for tests: nothing is run."""

from __future__ import annotations

import dataclasses
from typing import Any

from workbench.experiments import Machine, Result, Run, Software

MACHINE = Machine("0123456789abcdef", "a machine, 2 cores", "Linux 6", "a CPU", 2, 1 << 34, "none", "madvise")
SOFTWARE = Software("0.1.0", "3.11", "", "r" * 64, "1.0", "a" * 64)


def make_result(run: Run, operations_per_s: float = 1e6, **fields: Any) -> Result:
    """A result that was measured, unless `fields` say otherwise."""
    software = dataclasses.replace(SOFTWARE, allocator_checksum=run.allocator * 8)
    given: dict[str, Any] = {
        "status": "completed",
        "machine": MACHINE,
        "software": software,
        "operations": 1000,
        "elapsed_s": 1000 / operations_per_s,
        "operations_per_s": operations_per_s,
        "mean_resident_bytes": 2e6,
        "peak_resident_bytes": 3e6,
        "warmed_bytes": 1 << 25,
        "started_s": 1.0 + run.round,
        "ended_s": 2.0 + run.round,
    }
    return Result(run=run, id=run.resolve().id, **(given | fields))
