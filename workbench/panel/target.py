"""What a session looks at and tunes: a worker, a run in this process, or a process attached to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.allocators import Row, get_row, rows
from workbench.control import WORKLOAD_KIND, ControlBlock, Value
from workbench.errors import WorkbenchError
from workbench.processes import InProcessRun, Outcome, Run, Worker, name_process, resident_bytes
from workbench.sessions import Recorder

# "Until Stop", for a runner that wants a length.
ENDLESS_S = 7 * 86400.0
# The same for a run whose clock counts operations: it has to be one by operations to be repeatable.
ENDLESS_OPERATIONS = 2**52


@dataclass
class Target:
    """One process and the recording of it.

    Parameters
    ----------
    subject : str
        What the status line calls it.
    pid : int
        Pid of the process.
    allocator_block, workload_block : ControlBlock or None
        What it publishes.
    recorder : Recorder
        What is recorded of it.
    run : Worker or InProcessRun or None
        None for a process that is not ours.
    spec : Run or None
        What our run was asked to do.
    allocator : Row or None
        What it runs under; None for a process whose allocator is not in the table.
    before : mapping
        Values a process had when it was attached to.
    """

    subject: str
    pid: int
    allocator_block: ControlBlock | None
    workload_block: ControlBlock | None
    recorder: Recorder
    run: Worker | InProcessRun | None = None
    spec: Run | None = None
    allocator: Row | None = None
    before: Mapping[str, Value] = field(default_factory=dict)
    is_paused: bool = False
    is_stopping: bool = False

    @property
    def is_endless(self) -> bool:
        """Whether it runs until it is stopped."""
        spec = self.spec
        if spec is None or spec.ends_itself:
            return spec is None
        return spec.length_s >= ENDLESS_S or (spec.operations or 0) >= ENDLESS_OPERATIONS

    @property
    def is_exploratory(self) -> bool:
        """Whether it runs in this process."""
        return isinstance(self.run, InProcessRun)

    @property
    def is_repeatable(self) -> bool:
        """Whether a change made while the workload stands still can be repeated exactly."""
        if self.workload_block is None or self.allocator_block is None or self.allocator is None:
            return False
        if not self.allocator.is_steady(self.allocator_block.requested().values):
            return False
        return len(self.workload_block.snapshot().values["workload.operations"]) == 1

    def describe_process(self) -> str:
        """Pid and command line."""
        block = self.allocator_block or self.workload_block
        return f"{self.pid} {block.info.command}" if block is not None else str(self.pid)

    def poll(self) -> Outcome | None:
        """How it ended, None while it lives."""
        if self.run is not None:
            return self.run.poll()
        if self.allocator_block is not None and not self.allocator_block.alive():
            return Outcome(status="ended", message=f"process {self.pid} has ended")
        return None

    def elapsed_s(self) -> float:
        """Seconds the workload ran, without pauses; of a process that is not ours, since attaching."""
        if self.workload_block is not None:
            return self.workload_block.snapshot().fold("workload.elapsed_ms") / 1e3
        return self.recorder.time_s

    def close(self) -> None:
        """Ends our own process, lets go of another's."""
        if self.run is not None:
            self.run.close()
            return
        for block in (self.allocator_block, self.workload_block):
            if block is not None:
                block.close()


def start_target(spec: Run, *, in_process: bool) -> Target:
    """Starts a run.

    Raises
    ------
    WorkbenchError
        If the specification is wrong or the run does not start, with what it said.
    """
    run: Worker | InProcessRun = InProcessRun.start(spec) if in_process else Worker.start(spec)
    recorder = _make_recorder(run.allocator_block, run.workload_block, run.pid, is_from_start=not in_process)
    row = get_row(spec.allocator)
    place = next((f"{one.name} (exploratory)" for one in rows() if in_process and one.in_process), row.name)
    return Target(
        f"{spec.title} under {place}",
        run.pid,
        run.allocator_block,
        run.workload_block,
        recorder,
        run,
        spec,
        row,
    )


def attach_target(path: Path) -> Target:
    """Attaches to the process that publishes a block.

    Raises
    ------
    WorkbenchError
        If there is no such process, or it may not be read.
    """
    block = ControlBlock.open(path)
    workload_block = None
    try:
        workload_block = _open_workload_block(path)
        recorder = _make_recorder(block, workload_block, block.info.pid, is_from_start=False)
        before = dict(block.requested().values)
    except WorkbenchError:
        block.close()
        if workload_block is not None:
            workload_block.close()
        raise
    # Not the first word of its command: the program's path may have blanks.
    name = name_process(block.info.pid) or "a process"
    row = next((row for row in rows() if row.kind == block.info.kind), None)
    subject = f"{name} (pid {block.info.pid})"
    return Target(subject, block.info.pid, block, workload_block, recorder, allocator=row, before=before)


def _open_workload_block(path: Path) -> ControlBlock | None:
    """Block of the runner in the same process, where it is a workload of ours."""
    beside = path.with_suffix(f".{WORKLOAD_KIND}")
    return ControlBlock.open(beside) if beside.exists() else None


def _make_recorder(
    allocator_block: ControlBlock | None,
    workload_block: ControlBlock | None,
    pid: int,
    *,
    is_from_start: bool,
) -> Recorder:
    return Recorder(allocator_block, workload_block, lambda: resident_bytes(pid), is_from_start=is_from_start)
