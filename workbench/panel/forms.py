"""A run as a form or a notebook asks for it: read exactly, or refused in one line."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from msgspec.structs import replace

from workbench.allocators import DEFAULT_ALLOCATOR, Row, get_row
from workbench.control import Value
from workbench.datasets import find, known_datasets
from workbench.errors import BadParameter, OutOfRange, WorkbenchError
from workbench.panel.programs import COMMAND, read_program
from workbench.panel.protocol import RunForm, ShownRun
from workbench.panel.target import ENDLESS_OPERATIONS, ENDLESS_S, name_allocator
from workbench.processes import Run
from workbench.workloads import MAXIMUM_THREADS, REPLAY

MAXIMUM_SEED = 2**64 - 1


def read_form(form: RunForm, tunables: Mapping[str, Value]) -> Run:
    """The run that is asked for, with values for its allocator, if it has tunables.

    For the workload replay the form's `trace` is a file or the name of a dataset, and the threads are those
    of the trace. What is wrong raises a WorkbenchError with the field, the value and what is allowed.
    """
    row = get_row(form.get("allocator", DEFAULT_ALLOCATOR))
    if form["workload"] == COMMAND:
        return _read_program(form, row, tunables)
    seconds = read_seconds(form.get("seconds", 0))
    operations = read_whole("operations", form.get("operations", 0), 0, ENDLESS_OPERATIONS)
    if operations and seconds:
        raise BadParameter("a run is by seconds or by operations; give one")
    workload = form["workload"]
    is_replay = workload == REPLAY
    is_steady = get_row(row.in_process or row.name).is_steady(tunables)
    if not seconds and not operations and not is_replay and is_steady:
        operations = ENDLESS_OPERATIONS
    trace = form.get("trace", "").strip()
    if is_replay and not trace:
        raise BadParameter("trace: choose a dataset, or give the path of a recorded trace")
    parameters = form.get("parameters", {})
    run = Run(
        workload=workload,
        parameters={name: float(read_decimal(name, value)) for name, value in parameters.items()},
        threads=None if is_replay else read_whole("threads", form.get("threads", 1), 1, MAXIMUM_THREADS),
        seed=read_whole("seed", form.get("seed", 1), 0, MAXIMUM_SEED),
        allocator=row.in_process or row.name,
        seconds=None if operations else seconds or ENDLESS_S,
        operations=operations or None,
        trace=trace if is_replay else None,
        tunables=dict(tunables) if row.is_tunable else {},
    )
    run.check()
    return run


def _read_program(form: RunForm, row: Row, tunables: Mapping[str, Value]) -> Run:
    for name in ("seconds", "operations"):
        if form.get(name) not in (None, 0, "0"):
            raise BadParameter(f"{name}: a program ends by itself, or by Stop; leave it out")
    if row.in_process:
        raise BadParameter(f"allocator: {row.name} is in the kernel's process; choose {row.in_process}")
    run = replace(
        read_program(form.get("command", "")),
        allocator=row.name,
        tunables=dict(tunables) if row.is_tunable else {},
    )
    run.check()
    return run


def read_whole(name: str, value: object, minimum: int, maximum: int) -> int:
    """A whole number within `minimum` to `maximum`, to its last digit; an error names both."""
    allowed = f"give a whole number of {minimum} to {maximum}"
    number = read_decimal(name, value, f"; {allowed}")
    if not minimum <= number <= maximum:
        raise OutOfRange(f"{name}: {value} is out of range; {allowed}")
    if number != number.to_integral_value():
        raise BadParameter(f"{name}: {value} is not whole; {allowed}")
    return int(number)


def read_seconds(value: object) -> float:
    """Length of a run in seconds, not more than a run may last; 0 is until it is stopped."""
    allowed = f"give 0 (until Stop) to {ENDLESS_S:.0f} s"
    number = read_decimal("seconds", value, f"; {allowed}")
    if not 0 <= number <= Decimal(ENDLESS_S):
        raise OutOfRange(f"seconds: {value} is out of range; {allowed}")
    return float(number)


def read_decimal(name: str, value: object, remedy: str = "") -> Decimal:
    """A finite number, to its last digit; an error names it."""
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise BadParameter(f"{name}: {str(value)!r} is not a number{remedy}") from None
    if not number.is_finite():
        raise BadParameter(f"{name}: {value} is not a finite number{remedy}")
    return number


def describe_spec(form: RunForm, spec: Run, *, in_process: bool, number: int) -> ShownRun:
    """What a form shows of a run; numbers as texts, since a view's numbers have 53 bits only."""
    seconds = 0.0 if spec.command or spec.length_s >= ENDLESS_S else spec.length_s
    resolved = spec.resolve()
    return {
        "number": number,
        "workload": COMMAND if spec.command else spec.workload,
        "command": form.get("command", "") if spec.command else "",
        "trace": "" if spec.trace is None else name_trace(Path(spec.trace)),
        "allocator": name_allocator(spec, in_process=in_process),
        "threads": str(resolved.threads),
        "seed": str(spec.seed),
        "seconds": f"{seconds:.10g}",
        "parameters": {name: f"{value:.17g}" for name, value in resolved.parameters.items()},
    }


def name_trace(path: Path) -> str:
    """How the panel calls a trace: by its dataset's name, a relative path, or the path."""
    try:
        if path.stem in known_datasets() and find(path.stem).samefile(path):
            return path.stem
    except (WorkbenchError, OSError):
        pass
    return str(path)
