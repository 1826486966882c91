"""Values of a snapshot by what they mean, whatever the allocator calls its metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.control.snapshot import Snapshot

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from workbench.control.metric import Metric, Role


def find_role(snapshot: Snapshot, role: Role) -> list[Metric]:
    """All metrics of a role."""
    return [metric for metric in snapshot.layout.metrics.values() if metric.role == role]


def sum_role(snapshot: Snapshot, role: Role, *, of_threads: bool = False) -> npt.NDArray[np.float64]:
    """All metrics of a role added, and over threads; or only those that threads have a value of."""
    import numpy as np

    total: npt.NDArray[np.float64] = np.zeros(())
    for metric in find_role(snapshot, role):
        values = snapshot.values[metric.name].astype(np.float64)
        is_threads = bool(metric.axes) and metric.axes[0] in snapshot.layout.thread_axes
        if of_threads and not is_threads:
            continue
        total = total + (values.sum(axis=0) if is_threads else values)
    return total
