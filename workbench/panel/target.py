"""What a session looks at and tunes: a worker, a run in this process, a process or group attached to."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from workbench.allocators import Row, get_row, is_linked, rows
from workbench.control import WORKLOAD_KIND, ControlBlock, Value, find_blocks
from workbench.errors import NoProcess
from workbench.memory import MemoryUse, measure_blocks, measure_memory
from workbench.panel.heap import HeapView
from workbench.panel.protocol import Choice
from workbench.panel.whatif import WhatIfView
from workbench.probes import ProbeReader, probe_from_callable
from workbench.processes import InProcessRun, Outcome, Run, Worker, name_process, resident_bytes
from workbench.processes.group import find_groups
from workbench.processes.group_block import GroupBlock
from workbench.processes.live_program import LiveProgram
from workbench.sessions import Recorder
from workbench.watch import Watch

SAMPLE_INTERVAL_S = 0.08
# A group of more processes than these is sampled less often, up to so many times.
UNPROLONGED_PROCESSES = 8
MOST_PROLONGED = 25
# "Until Stop", for a runner that wants a length.
ENDLESS_S = 7 * 86400.0
# The same for a run whose clock counts operations: it has to be one by operations to be repeatable.
ENDLESS_OPERATIONS = 2**52


LiveRun = Worker | InProcessRun | LiveProgram


@dataclass
class Target:
    """One process, or a group of them, and the recording of it."""

    name: str  # in the status line; a group says by itself how many processes it has
    pid: int  # in a group, that of the first process
    allocator_block: ControlBlock | None
    workload_block: ControlBlock | None
    is_from_start: bool = False  # whether what happened before is recorded, too
    run: LiveRun | None = None  # None for a process that is not ours
    spec: Run | None = None  # what our run was asked to do
    allocator: Row | None = None  # None for a process whose allocator is not in the table
    before: Mapping[str, Value] = field(default_factory=dict)  # values it had when it was attached to

    def __post_init__(self) -> None:
        self.probes = ProbeReader()
        self.memory = Watch(self._read_memory)
        self.heap_view = HeapView(self.pids)
        self.heap = Watch(self.heap_view.read, period_s=2.0, rest=4.0)
        self.whatif = Watch(WhatIfView(self.allocator_block).read)
        self.recorder = Recorder(
            self.allocator_block,
            self.workload_block,
            self._read_resident_bytes,
            self.probes,
            self.memory,
            is_from_start=self.is_from_start,
        )

    @classmethod
    def of_program(cls, program: LiveProgram) -> Target:
        """A program that begun, whether it still goes on or not."""
        spec = program.spec
        return cls(
            f"{spec.title} under {spec.allocator}",
            program.pid or 0,
            program.allocator_block,
            None,
            run=program,
            allocator=get_row(spec.allocator),
        )

    @property
    def group(self) -> GroupBlock | None:
        """What it attached to, if that is a group."""
        return self.allocator_block if isinstance(self.allocator_block, GroupBlock) else None

    @property
    def subject(self) -> str:
        """What the status line calls it now."""
        if self.group is None or self.run is None:
            return str(self.group or self.name)
        count = len(self.group.members)
        return self.name if count < 2 else f"{self.name} ({count} processes)"

    @property
    def process(self) -> str:
        """Pid and command line, or the group."""
        block = self.allocator_block or self.workload_block
        return str(self.group or f"{self.pid} {block.info.command if block else ''}".rstrip())

    def pids(self) -> list[int]:
        """Its processes now."""
        return self.group.pids if self.group is not None else [self.pid]

    def take_news(self) -> list[str]:
        """Lines about what happened since the last call; what a program tells of itself becomes charts."""
        news = self.group.take_news() if self.group is not None else []
        if isinstance(self.run, LiveProgram):
            news += self.run.take_news()
            self._read_figures(self.run)
        return news

    def _read_figures(self, program: LiveProgram) -> None:
        known = self.probes.latest()
        for figure in program.spec.figures:
            name = re.sub(r"[^\w.-]", "_", figure.name)
            if figure.name in program.figures and name not in known:
                read = partial(lambda name: program.figures[name], figure.name)
                self.probes.add(probe_from_callable(name, read, figure.unit))

    @property
    def sample_interval_s(self) -> float:
        """Time between two samples; many processes are sampled less often."""
        return SAMPLE_INTERVAL_S * max(1.0, min(MOST_PROLONGED, len(self.pids()) / UNPROLONGED_PROCESSES))

    def _read_resident_bytes(self) -> int:
        if self.group is None:
            return resident_bytes(self.pid)
        found = []
        for pid in self.pids():
            with contextlib.suppress(NoProcess):  # it ended just now
                found.append(resident_bytes(pid))
        if not any(found):
            raise NoProcess(f"{self.subject}: its processes have ended")
        return sum(found)

    def _read_memory(self) -> MemoryUse:
        if self.allocator_block is None:
            return measure_memory(self.pid)
        return measure_blocks(self.allocator_block.members)

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

    def poll(self) -> Outcome | None:
        """How it ended, None while it lives."""
        if self.run is not None:
            return self.run.poll()
        if self.allocator_block is not None and not self.allocator_block.alive():
            return Outcome(status="ended", message=f"{self.subject} has ended")
        return None

    def elapsed_s(self) -> float:
        """Seconds the workload ran, without pauses; of a process that is not ours, since attaching."""
        if self.workload_block is not None:
            return self.workload_block.snapshot().fold("workload.elapsed_ms") / 1e3
        return self.recorder.time_s

    def close(self) -> None:
        """Ends our own process, lets go of others."""
        self.probes.close()
        for watch in (self.memory, self.heap, self.whatif):
            watch.close()
        for opened in (self.run,) if self.run else (self.allocator_block, self.workload_block):
            if opened is not None:
                opened.close()


def start_target(spec: Run, *, in_process: bool) -> Target:
    """Starts a run; a WorkbenchError says why it does not start."""
    run: Worker | InProcessRun = InProcessRun.start(spec) if in_process else Worker.start(spec)
    return Target(
        f"{spec.title} under {name_allocator(spec, in_process=in_process)}{' (exploratory)' * in_process}",
        run.pid,
        run.allocator_block,
        run.workload_block,
        is_from_start=not in_process,
        run=run,
        spec=spec,
        allocator=get_row(spec.allocator),
    )


def name_allocator(spec: Run, *, in_process: bool) -> str:
    """The row of the table that a run is under."""
    names = (row.name for row in rows() if in_process and row.in_process == spec.allocator)
    return next(names, spec.allocator)


def attach_target(place: str) -> Target:
    """Attaches to the process that publishes a control block, or to a group such as "command:postgres".

    A WorkbenchError says why it cannot be read.
    """
    with contextlib.ExitStack() as opened:
        is_group = not place.startswith("/")
        block = opened.enter_context(GroupBlock(place) if is_group else ControlBlock.open(place))
        workload_block = None if is_group else block.open_workload()
        if workload_block is not None:
            opened.enter_context(workload_block)
        # Not the first word of its command: the program's path may have blanks.
        name = name_process(block.info.pid) or "a process"
        target = Target(
            f"{name} (pid {block.info.pid})",
            block.info.pid,
            block,
            workload_block,
            allocator=next((row for row in rows() if row.kind == block.info.kind), None),
            before=dict(block.requested().values),
        )
        opened.pop_all()
    return target


def find_targets(ours: Iterable[int]) -> list[Choice]:
    """Processes and groups one may attach to: of this user, alive, without those given."""
    left_out = set(ours)
    found = [
        info
        for info in find_blocks()
        # A runner's block of kind "workload" has nothing to tune; its allocator's is beside it.
        if info.alive
        and info.kind != WORKLOAD_KIND
        and info.pid not in left_out
        and (info.pid != os.getpid() or not is_linked(info.kind))
    ]
    told = "Their metrics are summed; a set reaches all of them."
    choices = [Choice(str(one), label, f"{one}. {told}") for one, label in find_groups(found).items()]
    return choices + [Choice(str(one.path), f"{one.pid} {one.command[:40]}", one.command) for one in found]
