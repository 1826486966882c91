"""A trial: one measured run as a value, known by the hash of its content."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from workbench.control import ControlBlock, Tunable, Value
from workbench.datasets import find_trace
from workbench.errors import BadParameter, OutOfRange, StartOnly, UnknownTunable, describe_unknown
from workbench.processes import RunSpec, check_preloadable, get_allocator
from workbench.processes.specification import environment_of
from workbench.traces.plan import find_plan
from workbench.workloads import REPLAY, get_workload

#: The allocator that has tunables.
TUNABLE_ALLOCATOR = "hakmem"

_ID_CHARACTERS = 32
_READ_BYTES = 1 << 20
_MOST = 1 << 64  # whole numbers of a file have no end


@dataclass(frozen=True)
class Step:
    """Settings that a run takes up on its way, after `at_operations` or `at_s`; exactly one is given.

    Parameters
    ----------
    settings : mapping of str to Value
        By tunable name.
    at_operations : int or None
        Operations of all threads together.
    at_s : float or None
        Seconds since the run began.
    """

    settings: Mapping[str, Value]
    at_operations: int | None = None
    at_s: float | None = None

    def check(self) -> None:
        """See whether it can be run.

        Raises
        ------
        BadParameter, OutOfRange
            With the thing, the value and the remedy.
        """
        if (self.at_operations is None) == (self.at_s is None):
            raise BadParameter("a step of a schedule is at_operations or at_s; give one of them")
        if self.at_operations is not None and not 0 <= self.at_operations < 2**63:
            raise OutOfRange(f"at_operations: {self.at_operations} is not within 0 to 2^63 − 1")
        if self.at_s is not None and not 0 <= self.at_s <= 1e7:
            raise OutOfRange(f"at_s: {self.at_s:g} is not within 0 to 10000000")
        if not self.settings:
            raise BadParameter("a step of a schedule sets nothing; give it settings")


@dataclass(frozen=True)
class Trial:
    """What to measure. The same content has the same `id`, however it was written down.

    Parameters
    ----------
    workload : str
        Of the catalogue; with `command`, only a name for it.
    parameters : mapping of str to float
        In each parameter's unit; the others have their defaults.
    threads : int or None
        None: the workload's own default.
    seed : int
    allocator : str
    seconds : float or None
        Length of the run; 10 s if `operations` is None too.
    operations : int or None
        Length in operations of all threads together.
    tunables : mapping of str to Value
        What hakmem starts with; the others have their defaults.
    schedule : tuple of Step
        What is changed on the way.
    command : tuple of str
        A program to run to its end instead of a workload, in a folder with the `inputs`.
    inputs : tuple of Path
        Files the command reads by their name; they are known by their content.
    round : int
        Number of the repeat: two rounds of one content are two trials.
    samples_latency : bool
        Whether single calls are timed; that costs throughput.
    trace : str or None
        What the workload `replay` replays: a dataset by its name, or the path of a trace; it is known by
        its events. A replay ends with its loops, or after `seconds`.
    """

    workload: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    threads: int | None = None
    seed: int = 1
    allocator: str = TUNABLE_ALLOCATOR
    seconds: float | None = None
    operations: int | None = None
    tunables: Mapping[str, Value] = field(default_factory=dict)
    schedule: tuple[Step, ...] = ()
    command: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    round: int = 0
    samples_latency: bool = False
    trace: str | None = None

    @property
    def title(self) -> str:
        """What it does, in a word or a few."""
        return self.workload if self.trace is None else f"{self.workload} of {Path(self.trace).stem}"

    @property
    def id(self) -> str:
        """Hash of the content, defaults filled in: 32 hexadecimal digits.

        Raises
        ------
        UnknownWorkload, BadParameter, OutOfRange, UnknownTunable
            If the content makes no sense in this build.
        """
        text = canonical_json(self._complete())
        return hashlib.sha256(text.encode()).hexdigest()[:_ID_CHARACTERS]

    @property
    def condition(self) -> str:
        """What is told apart in a comparison: the id without seed and round."""
        return dataclasses.replace(self, seed=0, round=0).id

    def spec(self) -> RunSpec:
        """The run of a workload that it is.

        Raises
        ------
        BadParameter
            For a command.
        """
        if self.command:
            raise BadParameter(f"{self.workload} is a command, not a workload of the catalogue")
        return RunSpec(
            workload=self.workload,
            parameters=self.parameters,
            threads=self.threads,
            seed=self.seed,
            allocator=self.allocator,
            seconds=self.seconds,
            operations=self.operations,
            tunables=self.tunables,
            samples_latency=self.samples_latency,
            trace=None if self.trace is None else find_trace(self.trace),
            schedule=tuple(
                (step.at_operations, step.settings)
                for step in self.schedule
                if step.at_operations is not None
            ),
        )

    def check(self) -> None:
        """See whether it can be run here.

        Raises
        ------
        UnknownWorkload, BadParameter, OutOfRange, MissingAllocator, CannotPreload, UnknownTunable,
        ConstraintBroken, StartOnly
            With the thing, the value and the remedy.
        """
        if self.round < 0:
            raise OutOfRange(f"round: {self.round} is negative")
        if self.command:
            self._check_command()
        else:
            self.spec().check()
        if self.schedule and self.allocator != TUNABLE_ALLOCATOR:
            raise BadParameter(f"a schedule is for hakmem; allocator {self.allocator} has no tunables")
        self._complete()
        settings = dict(self.tunables)
        environment_of(settings)
        for step in self.schedule:
            step.check()
            _check_live(step.settings)
            settings |= step.settings
            environment_of(settings)
        times_s = [step.at_s for step in self.schedule if step.at_s is not None]
        if times_s != sorted(times_s):
            raise BadParameter("schedule: steps by at_s are not in order of time; put them in order")

    def to_dict(self) -> dict[str, Any]:
        """The content as plain values, without what is left at its default."""
        given = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        given["schedule"] = [
            {name: value for name, value in dataclasses.asdict(step).items() if value is not None}
            for step in self.schedule
        ]
        given["inputs"] = [str(path) for path in self.inputs]
        given["command"] = list(self.command)
        return {
            name: dict(value) if isinstance(value, Mapping) else value
            for name, value in given.items()
            if value not in (None, {}, []) and value != getattr(Trial, name, None)
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Make one from what `to_dict` gave.

        Raises
        ------
        BadParameter
            For a name or a type that no trial has.
        """
        _check_shape(cls, "trial", content)
        steps = content.get("schedule", [])
        for step in steps:
            _check_shape(Step, "step of a schedule", step)
        given = dict(content)
        given["schedule"] = tuple(Step(**step) for step in steps)
        given["inputs"] = tuple(Path(path) for path in content.get("inputs", []))
        given["command"] = tuple(content.get("command", []))
        return cls(**given)

    def to_json(self) -> str:
        """The content as one line of JSON, names in alphabetical order."""
        return canonical_json(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make one from what `to_json` gave.

        Raises
        ------
        BadParameter
            If the text is no trial.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise BadParameter(f"a trial is not JSON: {error}") from None
        return cls.from_dict(content)

    def _check_command(self) -> None:
        check_preloadable(self.command)
        get_allocator(self.allocator)
        of_workloads = ("parameters", "threads", "seconds", "operations", "schedule", "samples_latency")
        for name in (*of_workloads, "trace"):
            if getattr(self, name) not in ({}, None, (), False):
                raise BadParameter(f"{self.workload} is a command, which has no {name}; leave it out")
        if self.tunables and self.allocator != TUNABLE_ALLOCATOR:
            raise BadParameter(f"tunables are hakmem's; allocator {self.allocator} has none: leave them out")

    def _complete(self) -> dict[str, Any]:
        """The content in one form only: every default filled in, every value as its descriptor has it."""
        complete: dict[str, Any] = {
            "workload": self.workload,
            "seed": int(self.seed),
            "allocator": self.allocator,
            "round": int(self.round),
        }
        if self.command:
            complete["command"] = list(self.command)
            complete["inputs"] = {path.name: checksum_file(path) for path in self.inputs}
        else:
            spec = self.spec()
            complete["parameters"] = get_workload(self.workload).complete_parameters(self.parameters)
            complete["threads"] = int(spec.thread_count)
            if self.workload == REPLAY and spec.trace is not None:
                complete["trace"] = find_plan(spec.trace).trace_checksum
            if self.operations is None:
                complete["seconds"] = float(spec.length_s)
            else:
                complete["operations"] = int(self.operations)
            complete["samples_latency"] = bool(self.samples_latency)
        if self.allocator == TUNABLE_ALLOCATOR:
            defaults = {name: tunable.default for name, tunable in known_tunables().items()}
            complete["tunables"] = defaults | normalize_settings(self.tunables)
            complete["schedule"] = [
                {
                    "at_operations": None if step.at_operations is None else int(step.at_operations),
                    "at_s": None if step.at_s is None else float(step.at_s),
                    "settings": normalize_settings(step.settings),
                }
                for step in self.schedule
            ]
        elif self.tunables:
            raise BadParameter(f"tunables are hakmem's; allocator {self.allocator} has none: leave them out")
        return complete


@cache
def known_tunables() -> Mapping[str, Tunable]:
    """Tunables of the allocator of this build, by name."""
    with ControlBlock.own() as own:
        return dict(own.tunables)


def normalize_settings(settings: Mapping[str, Value]) -> dict[str, Value]:
    """Check values and give them the form the block has them in: "60 %" becomes 60.

    Raises
    ------
    UnknownTunable, BadParameter, OutOfRange
        With the name, the value and the range.
    """
    known = known_tunables()
    for name in settings:
        if name not in known:
            raise UnknownTunable(describe_unknown("tunable", name, known))
    return {name: known[name].from_word(known[name].to_word(value)) for name, value in settings.items()}


def canonical_json(value: object) -> str:
    """JSON in one form only: names sorted, no blanks, −0 as 0.

    Raises
    ------
    BadParameter
        For a number that is none.
    """
    try:
        return json.dumps(
            _canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
        )
    except ValueError:
        raise BadParameter("a value is infinite or no number; give a finite one") from None


def checksum_file(path: Path) -> str:
    """sha256 of a file's content, in hexadecimal digits; read again only when the file has changed.

    Raises
    ------
    BadParameter
        If it cannot be read.
    """
    try:
        status = path.stat()
        return _checksum(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise BadParameter(f"{path}: it cannot be read ({error.strerror}); check the path") from None


@cache
def _checksum(path: Path, _size_bytes: int, _changed_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _canonical(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, float):
        return value + 0.0 if math.isfinite(value) else value
    return value


def _check_live(settings: Mapping[str, Value]) -> None:
    known = known_tunables()
    for name in normalize_settings(settings):
        if known[name].effect == "start":
            raise StartOnly(f"{name} takes effect at start only; a schedule cannot change it")


# What each field may hold in a file, in the words of an error message.
_SHAPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "workload": ((str,), "a name"),
    "parameters": ((dict,), "a table"),
    "threads": ((int,), "a whole number"),
    "seed": ((int,), "a whole number"),
    "allocator": ((str,), "a name"),
    "seconds": ((int, float), "a number"),
    "operations": ((int,), "a whole number"),
    "tunables": ((dict,), "a table"),
    "schedule": ((list,), "a list of steps"),
    "command": ((list,), "a list of words"),
    "inputs": ((list,), "a list of files"),
    "round": ((int,), "a whole number"),
    "samples_latency": ((bool,), "true or false"),
    "trace": ((str,), "the name of a dataset or the path of a trace"),
    "settings": ((dict,), "a table"),
    "at_operations": ((int,), "a whole number"),
    "at_s": ((int, float), "a number"),
}
# What the items of a list or the values of a table may be.
_ITEMS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "parameters": ((int, float), "a number"),
    "tunables": ((int, float, str, bool), "a value"),
    "settings": ((int, float, str, bool), "a value"),
    "command": ((str,), "a word"),
    "inputs": ((str,), "a path"),
    "schedule": ((dict,), "a table"),
}


def _check_shape(kind: type[Any], what: str, content: object) -> None:
    if not isinstance(content, dict):
        raise BadParameter(f"a {what} is a table of its fields, not {content!r}")
    known = {entry.name: entry for entry in dataclasses.fields(kind)}
    for name, value in content.items():
        if name not in known:
            raise BadParameter(describe_unknown(f"field of a {what}", str(name), known))
        _check_type(name, value, *_SHAPES[name])
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for item in items:
            _check_type(name, item, *_ITEMS[name])
    for name in ("workload", "settings"):
        if name in known and name not in content:
            raise BadParameter(f"a {what} needs {name}")


def _check_type(name: str, value: object, types: tuple[type, ...], words: str) -> None:
    if isinstance(value, int) and abs(value) >= _MOST:
        raise BadParameter(f"{name}: a number of {len(str(value))} digits cannot be used")
    is_stray_bool = isinstance(value, bool) and bool not in types
    if not isinstance(value, types) or is_stray_bool:
        raise BadParameter(f"{name}: {value!r} is not {words}")
