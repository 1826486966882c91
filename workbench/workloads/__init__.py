"""The workloads there are, read from the one table in native/workloads."""

from workbench.workloads.catalogue import (
    MAXIMUM_THREADS,
    REPLAY,
    Parameter,
    Workload,
    get_workload,
    known_workloads,
)

__all__ = ["MAXIMUM_THREADS", "REPLAY", "Parameter", "Workload", "get_workload", "known_workloads"]
