"""The workloads there are, read from the one table in native/workloads."""

from workbench.workloads.catalogue import (
    MAXIMUM_THREADS,
    REPLAY,
    Parameter,
    Workload,
    catalogue,
    get_workload,
)

__all__ = ["MAXIMUM_THREADS", "REPLAY", "Parameter", "Workload", "catalogue", "get_workload"]
