"""The workloads and their parameters."""

from workbench.workloads.catalogue import (
    MAXIMUM_THREADS,
    REPLAY,
    Parameter,
    Workload,
    get_workload,
    known_workloads,
)

__all__ = ["MAXIMUM_THREADS", "REPLAY", "Parameter", "Workload", "get_workload", "known_workloads"]
