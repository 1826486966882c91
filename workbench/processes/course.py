"""The course of a replay: memory and speed over the time of its trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.control import ControlBlock
from workbench.errors import BadParameter, WorkbenchError
from workbench.processes.outcome import Outcome
from workbench.processes.runs import Run
from workbench.processes.worker import Worker

if TYPE_CHECKING:
    import pandas as pd

INTERVAL_S = 0.05


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
    """Read where a replay is.

    Raises
    ------
    WorkbenchError
        If the block is not that of a replay.
    """
    snapshot = workload_block.snapshot()
    return CoursePoint(
        position_s=snapshot.fold("replay.position_ms") / 1e3,
        elapsed_s=snapshot.fold("workload.elapsed_ms") / 1e3,
        operations=int(snapshot.fold("workload.operations")),
        live_bytes=int(snapshot.fold("replay.live_bytes")),
        resident_bytes=int(snapshot.fold("replay.resident_bytes")),
    )


def follow_replay(
    worker: Worker, on_point: Callable[[CoursePoint], None], interval_s: float = INTERVAL_S
) -> Outcome:
    """Tell where a replay is, again and again, until it ends."""
    while (outcome := worker.await_end(interval_s)) is None:
        try:
            on_point(read_course_point(worker.workload_block))
        except WorkbenchError:  # it ended just now
            continue
    return outcome


def replay(spec: Run, interval_s: float = INTERVAL_S) -> tuple[Outcome, pd.DataFrame]:
    """Replay a trace in a worker and sample its course.

    Parameters
    ----------
    spec : Run
        A run of the workload `replay`.
    interval_s : float
        Between two samples.

    Returns
    -------
    Outcome
    frame
        A row a sample: position_s, elapsed_s, operations, live_bytes, resident_bytes, fragmentation.

    Raises
    ------
    BadParameter
        If the specification has no trace.
    WorkbenchError
        As `Worker.start`.
    """
    if spec.trace is None:
        raise BadParameter(f"workload {spec.workload}: there is no trace to follow")
    points: list[CoursePoint] = []
    with Worker.start(spec) as worker:
        outcome = follow_replay(worker, points.append, interval_s)
    return outcome, frame_of(points)


def frame_of(points: list[CoursePoint]) -> pd.DataFrame:
    """Points of a course as a table, a row each."""
    import pandas as pd

    names = ("position_s", "elapsed_s", "operations", "live_bytes", "resident_bytes", "fragmentation")
    return pd.DataFrame({name: [getattr(point, name) for point in points] for name in names})
