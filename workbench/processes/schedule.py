"""Changes of tunables at counts of operations: planned for a run, or made now at a count that is known.

An allocator adopts new settings on its next slow path, so where in a run of one thread a change bites
depends on where it was set. Both ways here set it while the thread stands between two operations of the
workload: a *schedule* is carried out by the runner itself at exactly the counts asked for, and
`set_between_operations` pauses the run, sets, reads the count and lets it go on. A change made the second
way and repeated the first way, at the count that was read, therefore bites at the same place. With settings
under which nothing in the allocator depends on time (`Row.is_steady`) the whole run is the same event for
event.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from workbench.control import ControlBlock, Value
from workbench.errors import NoProcess

_POLL_S = 0.0005
_STANDSTILL_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class SetPoint:
    """Where in a run a change was made.

    Parameters
    ----------
    operations : int or None
        Operations of all threads of the workload; None where nobody counts them.
    is_exact : bool
        Whether no operation was done between that count and the change.
    generation : int
        Generation of the settings, as `ControlBlock.set` returned.
    """

    operations: int | None
    is_exact: bool
    generation: int


def set_between_operations(
    workload_block: ControlBlock, allocator_block: ControlBlock, values: Mapping[str, Value]
) -> SetPoint:
    """Set tunables of a run while it stands still for it; a few milliseconds.

    Errors are those of `ControlBlock.set`; the run goes on.
    """
    state = workload_block.requested().values["run.state"]
    if state == "running":
        workload_block.set({"run.state": "paused"})
    try:
        is_still = state != "stopping" and _await_standstill(workload_block)
        before = count_operations(workload_block)
        generation = allocator_block.set(values)
        after = count_operations(workload_block)
        # Somebody else may have let it go on meanwhile.
        is_still = is_still and workload_block.effective().values["run.state"] == "paused"
        return SetPoint(after, is_still and before == after, generation)
    finally:
        if state == "running" and workload_block.alive():
            _resume(workload_block)


def count_operations(workload_block: ControlBlock) -> int:
    """Operations that a run has done, as far as its threads have published them."""
    return int(workload_block.snapshot().fold("workload.operations"))


def _await_standstill(workload_block: ControlBlock) -> bool:
    deadline_s = time.monotonic() + _STANDSTILL_TIMEOUT_S
    while time.monotonic() < deadline_s:
        effective = workload_block.effective()
        is_latest = effective.generation == workload_block.requested().generation
        if is_latest and effective.values["run.state"] == "paused":
            return True
        if not workload_block.alive():
            return False
        time.sleep(_POLL_S)
    return False


def _resume(workload_block: ControlBlock) -> None:
    # A stop that was asked for meanwhile stays.
    try:
        if workload_block.requested().values["run.state"] == "paused":
            workload_block.set({"run.state": "running"})
    except NoProcess:
        pass  # it has ended
