"""A run as a value, and what came of it as another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.control import ControlBlock, Tunable, Value
from workbench.errors import BadParameter, OutOfRange
from workbench.processes.allocators import get_allocator
from workbench.processes.schedule import Schedule, check_schedule
from workbench.workloads import MAXIMUM_THREADS, REPLAY, get_workload

DEFAULT_SECONDS = 10.0
MAXIMUM_SECONDS = 1e7


@dataclass(frozen=True)
class RunSpec:
    """What to run. By operations, the same specification makes the same requests every time.

    Parameters
    ----------
    workload : str
    parameters : mapping of str to float
        In each parameter's unit; the others have their defaults.
    threads : int or None
        None: the workload's own default; of a replay, as many as live at once in the trace.
    seed : int
    allocator : str
    seconds : float or None
        Length without pauses; 10 s if `operations` is None too. A replay ends with its loops, or after
        `seconds` if they are given.
    operations : int or None
        Length in operations of all threads together; not of a replay.
    tunables : mapping of str to Value
        Of the allocator hakmem.
    trace : Path or None
        What the workload `replay` replays; of a damaged trace, what precedes the damage.
    starts_paused : bool
        Whether it waits for `resume`.
    samples_latency : bool
        Whether single calls are timed, one in 16 at random; that costs throughput.
    schedule : Schedule
        Pairs (at_operations, values): tunables that the runner sets as a whole once so many operations
        of all threads together are done; with one thread exactly then (`workbench.processes.schedule`).
    """

    workload: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    threads: int | None = None
    seed: int = 1
    allocator: str = "hakmem"
    seconds: float | None = None
    operations: int | None = None
    tunables: Mapping[str, Value] = field(default_factory=dict)
    starts_paused: bool = False
    samples_latency: bool = False
    schedule: Schedule = ()
    trace: Path | None = None

    @property
    def thread_count(self) -> int:
        """Threads it runs with. Of a replay: compiles its trace if that was not done yet."""
        if self.trace is not None and self.threads is None:
            return _count_lanes(self.trace)
        return get_workload(self.workload).default_threads if self.threads is None else self.threads

    @property
    def length_s(self) -> float:
        """Seconds it runs; 0 if it runs by operations."""
        if self.operations is not None:
            return 0.0
        if self.seconds is not None:
            return self.seconds
        return MAXIMUM_SECONDS if self.ends_itself else DEFAULT_SECONDS

    @property
    def ends_itself(self) -> bool:
        """Whether it comes to an end of its own, as a replay does after its loops."""
        return self.workload == REPLAY and self.parameters.get("loops", 1) > 0

    @property
    def title(self) -> str:
        """What it does, in a word or a few."""
        return self.workload if self.trace is None else f"{self.workload} of {self.trace.stem}"

    def check(self) -> None:
        """See whether it can be run here.

        Raises
        ------
        UnknownWorkload, BadParameter, OutOfRange, MissingAllocator, UnknownTunable, ConstraintBroken,
        StartOnly, DamagedTrace, WrongTraceVersion
            With the thing, the value and the remedy.
        """
        get_workload(self.workload).complete_parameters(self.parameters)
        get_allocator(self.allocator)
        self._check_trace()
        if not 1 <= self.thread_count <= MAXIMUM_THREADS:
            raise OutOfRange(f"threads: {self.thread_count} is not within 1 to {MAXIMUM_THREADS}")
        if not 0 <= self.seed < 2**64:
            raise OutOfRange(f"seed: {self.seed} is not within 0 to 2^64 − 1")
        if self.seconds is not None and self.operations is not None:
            raise BadParameter("a run is by seconds or by operations; give one")
        if self.operations is not None and not 1 <= self.operations < 2**63:
            raise OutOfRange(f"operations: {self.operations} is not within 1 to 2^63 − 1")
        if self.operations is None and not 0 < self.length_s <= MAXIMUM_SECONDS:
            raise OutOfRange(f"seconds: {self.length_s:g} is not above 0 and at most 10000000")
        if (self.tunables or self.schedule) and self.allocator != "hakmem":
            raise BadParameter(f"tunables are hakmem's; allocator {self.allocator} has none: leave them out")
        if self.schedule:
            check_schedule(self.schedule, self.tunables)

    def _check_trace(self) -> None:
        if self.trace is None:
            if self.workload == REPLAY:
                raise BadParameter("workload replay: it needs a trace; record one with `workbench record`")
            return
        if self.workload != REPLAY:
            raise BadParameter(f"trace: workload {self.workload} replays none; the workload is replay")
        if self.operations is not None:
            raise BadParameter("operations: a replay is by its loops or by seconds; give one of them")
        lanes = _count_lanes(self.trace)
        if self.threads not in (None, lanes):
            raise BadParameter(f"threads: {self.threads} is not the {lanes} of the trace; leave it out")


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Parameters
    ----------
    status : str
        "completed"; "stopped" on request; "crashed" by a signal; "failed": said so itself, with exit
        code 1 or more; "timed out".
    message : str
        One line for people: empty if completed.
    signal : str or None
        Name of the signal that ended it, e.g. "SIGSEGV".
    exit_code : int or None
        None if a signal ended it.
    operations : int
        Of all threads; for a crash, as far as they were published.
    elapsed_s, operations_per_s : float
        Without pauses.
    peak_resident_bytes : int
        For a crash, as last seen.
    checksum : str
        Of the requests; empty unless it ended by itself.
    stderr_tail : str
        The last of what it wrote to standard error.
    events : mapping of str to int
        How many of each kind the allocator's control block told.
    last_events : tuple of str
        The latest of them, one line each, oldest first.
    effective : mapping of str to Value
        All of hakmem's tunables as they were in effect at the end; empty for other allocators.
    latency_ns : mapping of str to float
        With `samples_latency`, of the calls malloc (calloc and aligned_alloc too), realloc and free,
        those that were made: "malloc_count" (calls timed), "malloc_p50", "malloc_p99", "malloc_p99_9",
        "malloc_max" (ns, what reading the clock costs left out), and "clock_overhead", which that is.
    latency_histograms : mapping of str to tuple of (float, int)
        By call: pairs of a bucket's upper end in ns and its count, ascending.
    """

    status: str
    message: str = ""
    signal: str | None = None
    exit_code: int | None = None
    operations: int = 0
    elapsed_s: float = 0.0
    operations_per_s: float = 0.0
    peak_resident_bytes: int = 0
    checksum: str = ""
    stderr_tail: str = ""
    events: Mapping[str, int] = field(default_factory=dict)
    last_events: tuple[str, ...] = ()
    effective: Mapping[str, Value] = field(default_factory=dict)
    latency_ns: Mapping[str, float] = field(default_factory=dict)
    latency_histograms: Mapping[str, tuple[tuple[float, int], ...]] = field(default_factory=dict)


def environment_of(settings: Mapping[str, Value]) -> dict[str, str]:
    """Environment variables that start hakmem with these settings.

    Raises
    ------
    UnknownTunable, OutOfRange, ConstraintBroken
        As a set of a running block would.
    """
    if not settings:
        return {}
    with ControlBlock.own() as own:
        known = own.tunables
        # Those left out are at their defaults there, whatever they are in this process.
        own.check({**{name: tunable.default for name, tunable in known.items()}, **settings})
    return {
        known[name].environment: _format_word(known[name], known[name].to_word(value))
        for name, value in settings.items()
    }


def _count_lanes(trace: Path) -> int:
    # Reading traces takes NumPy and Arrow, which are slow to import, and most runs replay none.
    from workbench.traces.plan import find_plan

    return find_plan(trace).lane_count


def _format_word(tunable: Tunable, word: float) -> str:
    """Without a unit, so that it means the same to any reader."""
    value = tunable.from_word(word)
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)
