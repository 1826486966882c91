"""A run as one value: what to measure, and what that comes to on this machine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import msgspec

from workbench.allocators import DEFAULT_ALLOCATOR, Allocator, get_allocator, has_own_block
from workbench.control import Value
from workbench.errors import BadParameter, OutOfRange, StartOnly, WorkbenchError
from workbench.plain_values import canonical_json, read_value
from workbench.processes.figures import Figure, check_figures
from workbench.processes.machine import checksum_file
from workbench.processes.preload import check_environment, check_preloadable, find_program
from workbench.processes.server import Server
from workbench.workloads import MAXIMUM_THREADS, REPLAY, get_workload

if TYPE_CHECKING:
    from workbench.traces.plan import ReplayPlan

DEFAULT_SECONDS = 10.0
MAXIMUM_SECONDS = 1e7
# As native/workloads/schedule.h has it.
MAXIMUM_VALUES = 4096
_ID_CHARACTERS = 32
# What only a command has, and the content has only if it is given; and what no command has.
_OF_COMMANDS = ("prepare", "folder", "timeout_s", "ignores_failure", "figures", "server", "environment")
_OF_WORKLOADS = ("parameters", "threads", "seconds", "operations", "schedule", "samples_latency", "trace")


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Settings that a run takes up on its way, after `at_operations` or `at_s`; exactly one is given.

    Parameters
    ----------
    settings : mapping of str to Value
        By tunable name; an action of the allocator has the value "do".
    at_operations : int or None
        Operations of all threads together; with one thread exactly then (`workbench.processes.schedule`).
    at_s : float or None
        Seconds since the run began; of measured runs only.
    """

    settings: Mapping[str, Value]
    at_operations: int | None = None
    at_s: float | None = None


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to run. By operations, the same content makes the same requests every time.

    Parameters
    ----------
    workload : str
        Name of a workload; with `command`, only a name for it.
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
        What the allocator starts with; the others have their defaults.
    schedule : tuple of Step
        What is changed on the way.
    command : tuple of str
        A program to run to its end instead of a workload, in a folder with the `inputs`.
    inputs : tuple of Path
        Files the command reads by their name; they are known by their content.
    prepare : tuple of str
        A command that runs before it, under no allocator of ours, and is not measured.
    folder : Path or None
        Where the command runs; a new private folder by default.
    timeout_s : float or None
        After so long the command is killed; 900 s by default.
    ignores_failure : bool
        Whether the command is measured whatever its exit code.
    figures : tuple of Figure
        What else is measured: numbers in the command's output.
    server : Server or None
        What the command is the client of. The server runs under the allocator, and its are memory, processor
        time and faults; elapsed time and figures are the client's.
    environment : mapping of str to str
        What the command, and its server, have in their environment besides this process's.
    round : int
        Number of the repeat: two rounds of one content are two runs.
    samples_latency : bool
        Whether single calls are timed, one in 16 at random; that costs throughput.
    trace : str or None
        What the workload `replay` replays: a dataset by its name, or the path of a trace; it is known by
        its events. Of a damaged trace, what precedes the damage is replayed.
    """

    workload: str
    parameters: Mapping[str, float] = {}
    threads: int | None = None
    seed: int = 1
    allocator: str = DEFAULT_ALLOCATOR
    seconds: float | None = None
    operations: int | None = None
    tunables: Mapping[str, Value] = {}
    schedule: tuple[Step, ...] = ()
    command: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    round: int = 0
    samples_latency: bool = False
    trace: str | None = None
    prepare: tuple[str, ...] = ()
    folder: Path | None = None
    timeout_s: float | None = None
    ignores_failure: bool = False
    figures: tuple[Figure, ...] = ()
    server: Server | None = None
    environment: Mapping[str, str] = {}

    @property
    def title(self) -> str:
        """What it does, in a word or a few."""
        return self.workload if self.trace is None else f"{self.workload} of {Path(self.trace).stem}"

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

    def check(self) -> ResolvedRun:
        """See whether it can be run here, and return what it comes to.

        Errors are those of `resolve`, and MissingAllocator or CannotPreload if this machine cannot run it.
        """
        resolved = self.resolve()
        get_allocator(self.allocator)
        server = self.server
        tested = [] if server is None else [server.command]
        if server is None or server.preloads_client:
            tested.append(self.command)
        for command in self.list_commands():
            program, *words = command
            if "/" in program:
                program = self._locate(program)
            if command in tested:
                check_preloadable((program, *words))
            elif "/" not in program or self.folder is not None:
                find_program(program)
        return resolved

    def _locate(self, path: str) -> str:
        """A path of the folder in which the commands run, found before that folder is made."""
        if self.folder is not None:
            return str(self.folder / path)
        return next((str(file) for file in self.inputs if Path(path) == Path(file.name)), path)

    def list_commands(self) -> Iterator[tuple[str, ...]]:
        """All commands that it runs, in no order; none for a workload."""
        if self.server is not None:
            yield from self.server.list_commands()
        yield from filter(None, (self.prepare, self.command))

    def resolve(self) -> ResolvedRun:
        """Check the content, and fill in what this build and this machine add: defaults, threads, files.

        For a replay, the trace is compiled if that was not done yet. UnknownWorkload, BadParameter,
        OutOfRange, UnknownDataset, DamagedTrace, WrongTraceVersion, UnknownTunable, ConstraintBroken or
        StartOnly names the thing, the value and the remedy.
        """
        _check_range("round", self.round, 0, 2**63 - 1)
        _check_range("seed", self.seed, 0, 2**64 - 1)
        content: dict[str, Any] = {
            "workload": self.workload,
            "seed": int(self.seed),
            "allocator": self.allocator,
            "round": int(self.round),
        }
        parameters: dict[str, float] = {}
        threads, plan = 1, None
        if self.command:
            for name in _OF_WORKLOADS:
                if getattr(self, name) not in ({}, None, (), False):
                    raise BadParameter(f"{self.workload} is a command, which has no {name}; leave it out")
            content["command"] = list(self.command)
            content["inputs"] = {path.name: checksum_file(path) for path in self.inputs}
            if any(getattr(self, name) for name in _OF_COMMANDS):
                plain = self.to_dict()
                content |= {name: plain[name] for name in _OF_COMMANDS if name in plain}
            if self.timeout_s is not None and not 0 < self.timeout_s <= MAXIMUM_SECONDS:
                raise OutOfRange(
                    f"timeout_s: {self.timeout_s:g} is not above 0 and at most {MAXIMUM_SECONDS:.0f}"
                )
            if self.folder is not None and not self.folder.is_dir():
                raise BadParameter(f"folder: {self.folder} is no folder")
            check_figures(self.figures)
            check_environment(self.environment)
            if self.server is not None:
                self.server.check()
        else:
            for name in _OF_COMMANDS:
                if getattr(self, name):
                    raise BadParameter(f"{self.workload} is no command, so it has no {name}; leave it out")
            workload = get_workload(self.workload)
            parameters = workload.complete_parameters(self.parameters)
            plan = self._find_plan()
            self._check_length()
            if plan is not None:
                content["trace"] = plan.trace_checksum
            lanes = workload.default_threads if plan is None else plan.lane_count
            threads = lanes if self.threads is None else self.threads
            if plan is not None and threads != lanes:
                raise BadParameter(f"threads: {threads} is not the {lanes} of the trace; leave it out")
            _check_range("threads", threads, 1, MAXIMUM_THREADS)
            content |= {
                "parameters": parameters,
                "threads": int(threads),
                "samples_latency": bool(self.samples_latency),
            }
            if self.operations is None:
                content["seconds"] = float(self.length_s)
            else:
                content["operations"] = int(self.operations)
        # A plain run of an allocator that the agent describes is what it was before there was an agent.
        if self.tunables or self.schedule or has_own_block(self.allocator):
            allocator = get_allocator(self.allocator)
            allocator.environment_of(self.tunables)
            content["tunables"] = allocator.complete(self.tunables)
            content["schedule"] = self._resolve_schedule(allocator, content["tunables"])
        return ResolvedRun(self, parameters, threads, plan, content)

    def to_dict(self) -> dict[str, Any]:
        """The content as plain values, without what is left at its default."""
        return {name: value for name, value in _to_plain(self).items() if value != _DEFAULTS.get(name)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Make one from what `to_dict` gave; BadParameter for a name or a type that no run has."""
        return read_value(cls, content, "a run")

    def to_json(self) -> str:
        """The content as one line of JSON, names in alphabetical order."""
        return canonical_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make one from what `to_json` gave; BadParameter if the text is no run."""
        try:
            return cls.from_dict(msgspec.json.decode(text))
        except msgspec.DecodeError as error:
            raise BadParameter(f"a run is not JSON: {error}") from None

    def _find_plan(self) -> ReplayPlan | None:
        if self.trace is None:
            if self.workload == REPLAY:
                raise BadParameter("workload replay: it needs a trace; record one with `workbench record`")
            return None
        if self.workload != REPLAY:
            raise BadParameter(f"trace: workload {self.workload} replays none; the workload is replay")
        if self.operations is not None:
            raise BadParameter("operations: a replay is by its loops or by seconds; give one of them")
        # Reading traces takes NumPy and Arrow, which are slow to import, and most runs replay none.
        from workbench.traces.places import find_trace
        from workbench.traces.plan import find_plan

        return find_plan(find_trace(self.trace))

    def _check_length(self) -> None:
        if self.seconds is not None and self.operations is not None:
            raise BadParameter("a run is by seconds or by operations; give one")
        if self.operations is not None:
            _check_range("operations", self.operations, 1, 2**63 - 1)
        elif not 0 < self.length_s <= MAXIMUM_SECONDS:
            raise OutOfRange(f"seconds: {self.length_s:g} is not above 0 and at most {MAXIMUM_SECONDS:.0f}")

    def _resolve_schedule(self, allocator: Allocator, settings: Mapping[str, Value]) -> list[dict[str, Any]]:
        """The steps in one form; the settings that each leaves behind are checked as a whole."""
        if sum(len(step.settings) for step in self.schedule) > MAXIMUM_VALUES:
            raise BadParameter(f"schedule: at most {MAXIMUM_VALUES} values can be set during a run")
        known, settings = allocator.tunables, dict(settings)
        last, steps = {"operations": 0.0, "s": 0.0}, []
        for step in self.schedule:
            if (step.at_operations is None) == (step.at_s is None):
                raise BadParameter("a step of a schedule is at_operations or at_s; give one of them")
            at, unit, most = (
                (step.at_s, "s", MAXIMUM_SECONDS)
                if step.at_operations is None
                else (step.at_operations, "operations", 2**63 - 1)
            )
            assert at is not None
            where = f"schedule, at {at} {unit}"
            _check_range(f"at_{unit}", at, 0, most)
            if at < last[unit]:
                raise BadParameter(f"{where}: stands after {last[unit]:.15g}; put it in order")
            last[unit] = at
            if not step.settings:
                raise BadParameter(f"{where}: it sets nothing; give it settings")
            try:
                acts = {name: value for name, value in step.settings.items() if name in allocator.actions}
                for name, value in acts.items():
                    allocator.actions[name].to_word(value)
                values = allocator.normalize(
                    {name: value for name, value in step.settings.items() if name not in acts}
                )
                for name in values:
                    if known[name].effect == "start":
                        raise StartOnly(f"{name} takes effect at start only; give it in the tunables")
                settings = allocator.complete(settings | values)
            except WorkbenchError as error:
                raise type(error)(f"{where}: {error}") from None
            steps.append(
                {
                    "at_operations": None if step.at_operations is None else int(step.at_operations),
                    "at_s": None if step.at_s is None else float(step.at_s),
                    "settings": values | acts,
                }
            )
        return steps


@dataclass(frozen=True)
class ResolvedRun:
    """What a run comes to on this machine, with this build. Made by `Run.resolve`.

    Parameters
    ----------
    run : Run
    parameters : mapping of str to float
        All of them.
    threads : int
    plan : ReplayPlan or None
        What the replayer reads.
    content : mapping of str to Any
        What is measured in one form only: every default filled in, files known by their checksums.
    """

    run: Run
    parameters: Mapping[str, float]
    threads: int
    plan: ReplayPlan | None
    content: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Hash of the content: 32 hexadecimal digits, the same however the content was written down."""
        return _hash(self.content)

    @property
    def condition(self) -> str:
        """What is told apart in a comparison: the id without seed and round."""
        return _hash({**self.content, "seed": 0, "round": 0})

    @property
    def threads_text(self) -> str:
        """Such as "1 thread"."""
        return "1 thread" if self.threads == 1 else f"{self.threads} threads"


def _hash(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:_ID_CHARACTERS]


def _check_range(name: str, value: float, minimum: int, maximum: float) -> None:
    if not minimum <= value <= maximum:
        top = f"{maximum:.0f}" if maximum < 2**60 else f"2^{math.log2(maximum):.0f} − 1"
        raise OutOfRange(f"{name}: {value} is not within {minimum} to {top}")


def _to_plain(run: Run) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(
            run, enc_hook=lambda value: value.item() if hasattr(value, "item") else str(value)
        )
    )
    return content


_DEFAULTS = _to_plain(Run(""))
