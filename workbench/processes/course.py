"""The course of a replay: memory and speed over the time of its trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from workbench.control import ControlBlock


@dataclass(frozen=True)
class CoursePoint:
    """A replay at one moment.

    Parameters
    ----------
    position_s : float
        How far it is in the time of the trace; starts again with every loop.
    elapsed_s : float
        Since the start of the run, without pauses.
    operations : int
        Events replayed so far.
    live_bytes : int
        Asked for and not freed.
    resident_bytes : int
        Anonymous memory in RAM without the replayer's own.
    """

    position_s: float
    elapsed_s: float
    operations: int
    live_bytes: int
    resident_bytes: int

    @property
    def fragmentation(self) -> float:
        """Resident bytes a live byte; NaN while nothing lives."""
        return self.resident_bytes / self.live_bytes if self.live_bytes else float("nan")


def read_course_point(workload_block: ControlBlock) -> CoursePoint:
    """Read where a replay is; WorkbenchError if the control block is not that of a replay."""
    snapshot = workload_block.snapshot()
    return CoursePoint(
        position_s=snapshot.fold("replay.position_ms") / 1e3,
        elapsed_s=snapshot.fold("workload.elapsed_ms") / 1e3,
        operations=int(snapshot.fold("workload.operations")),
        live_bytes=int(snapshot.fold("replay.live_bytes")),
        resident_bytes=int(snapshot.fold("replay.resident_bytes")),
    )


def list_course(points: Sequence[CoursePoint]) -> dict[str, list[float]]:
    """Points of a course by column, `fragmentation` among them."""
    names = (*(field.name for field in fields(CoursePoint)), "fragmentation")
    return {name: [getattr(point, name) for point in points] for name in names}
