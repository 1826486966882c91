"""How to run each workload briefly, so that tests see the point of it."""

from __future__ import annotations

from workbench.processes import Run
from workbench.workloads import known_workloads

NAMES = list(known_workloads())

_DEFAULT_OPERATIONS = 30_000
_OPERATIONS = {"site_churn": 3000, "mid_churn": 5000, "large": 3000, "service": 6000, "realloc_growth": 8000}

# Short lives and small batches: threads end, blocks change hands, sizes shift and idle times come.
_PARAMETERS = {
    "larson": {"blocks": 500.0, "rounds": 2.0},
    "site_churn": {"blocks": 200.0},
    "batch": {"blocks": 100.0},
    "remote": {"batch": 16.0},
    "swap": {"slots": 100.0},
    "sh6": {"batch": 100.0},
    "sh8": {"batch": 100.0},
    "producer_consumer": {"batch": 64.0},
    "mstress": {"slots": 200.0, "transfers": 50.0, "lifetime": 1000.0, "large": 100.0},
    "rptest": {"blocks": 400.0, "loop": 200.0, "passed": 50.0},
    "cache_thrash": {"writes": 5.0},
    "cache_scratch": {"writes": 5.0},
    "thread_exit": {"blocks": 100.0, "generations": 4.0},
    "fragmentation": {"live": 512.0, "ranges": 3.0},
    "service": {"open": 20.0, "sessions": 100.0, "burst": 500.0, "idle_ms": 20.0},
}

# Their requests are the same whatever the seed.
SEEDLESS = {"pair", "remote", "cache_thrash", "cache_scratch", "sh6"}


def make_brief(workload: str, allocator: str = "hakmem", threads: int = 3, seed: int = 11) -> Run:
    """A run of a fraction of a second."""
    return Run(
        workload,
        _PARAMETERS.get(workload, {}),
        threads=threads,
        seed=seed,
        allocator=allocator,
        operations=_OPERATIONS.get(workload, _DEFAULT_OPERATIONS),
    )
