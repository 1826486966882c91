"""A plan of runs for a sweep: a grid, a random choice, or the rows of a frame, checked as a whole."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from workbench.allocators import is_tunable, tunables_of
from workbench.control import Tunable, Value
from workbench.errors import ConstraintBroken, WorkbenchError, WrongPlan, describe_unknown
from workbench.processes.runs import Run
from workbench.workloads import get_workload

if TYPE_CHECKING:
    import pandas as pd

#: Before the name of a workload's parameter.
PARAMETER = "parameter."
#: What may vary besides parameters and tunables, and of which type it is.
_FIELDS: Mapping[str, type] = {
    "workload": str,
    "allocator": str,
    "threads": int,
    "seed": int,
    "round": int,
    "seconds": float,
    "operations": int,
}
MAXIMUM_RUNS = 100_000
_SHOWN_ERRORS = 20
_MOST = 2.0**64  # whole numbers of a file have no end
_DRAWS_A_RUN = 1000  # until one keeps the constraints


@dataclass(frozen=True)
class Span:
    """Values between two bounds, both included.

    Parameters
    ----------
    low, high : float
    steps : int
        Values that a grid takes of it.
    is_log : bool or None
        Whether steps are factors; None: as the tunable's descriptor has it.
    """

    low: float
    high: float
    steps: int = 5
    is_log: bool | None = None


#: What something may be: some values, or a span of them.
Axis = Sequence[Value] | Span


@dataclass(frozen=True)
class Plan:
    """Runs to be measured, each once; made by `from_grid`, `from_random` or `from_frame`.

    Parameters
    ----------
    runs : tuple of Run
    """

    runs: tuple[Run, ...] = ()

    @classmethod
    def from_grid(cls, base: Run | Sequence[Run], axes: Mapping[str, Axis], rounds: int = 1) -> Plan:
        """Every combination of the axes' values, for every base.

        Parameters
        ----------
        base : Run or sequence of Run
            What the axes do not say.
        axes : mapping of str to Axis
            By name of a tunable, `parameter.NAME` of a workload, or workload, allocator, threads, seed,
            seconds, operations.
        rounds : int
            Repeats of each combination; round k has seed + k.

        Raises
        ------
        WrongPlan
            With every value that is wrong, and its range.
        """
        bases = [base] if isinstance(base, Run) else list(base)
        known = _check_axes(axes, bases)
        values = {name: _list_values(name, axis, known) for name, axis in axes.items()}
        _check_size(math.prod(len(each) for each in values.values()) * len(bases), rounds)
        rows = [dict(zip(values, row, strict=True)) for row in itertools.product(*values.values())]
        return cls._check_all([_fill(one, row) for one in bases for row in rows], rounds)

    @classmethod
    def from_random(
        cls,
        base: Run | Sequence[Run],
        axes: Mapping[str, Axis],
        count: int,
        seed: int = 1,
        rounds: int = 1,
    ) -> Plan:
        """Combinations drawn at random, the same for the same seed; each for every base.

        Parameters
        ----------
        count : int
            How many combinations; such that break a constraint are drawn again.
        seed : int
        base, axes, rounds
            As in `from_grid`.

        Raises
        ------
        WrongPlan
            With every value that is wrong, and its range.
        """
        bases = [base] if isinstance(base, Run) else list(base)
        known = _check_axes(axes, bases)
        if count < 1:
            raise WrongPlan(f"count: {count} is not 1 or more")
        _check_size(count * len(bases), rounds)
        order = random.Random(seed)
        rows: list[dict[str, Value]] = []
        for _ in range(count * _DRAWS_A_RUN):
            row = {name: _draw_value(name, axis, order, known) for name, axis in axes.items()}
            if all(_keeps_constraints(_fill(one, row)) for one in bases):
                rows.append(row)
            if len(rows) == count:
                return cls._check_all([_fill(one, row) for one in bases for row in rows], rounds)
        raise WrongPlan("hardly any combination keeps the tunables' constraints; narrow the axes")

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, base: Run | None = None) -> Plan:
        """A run a row; columns are named as the axes of `from_grid`, empty cells are left out.

        Raises
        ------
        WrongPlan
            With every value that is wrong, its row and its range.
        """
        _check_size(len(frame), 1)
        if base is None and "workload" not in frame.columns:
            raise WrongPlan("a plan needs a column 'workload'")
        start = base or Run("")
        _refuse(
            _list_wrong_names(map(str, frame.columns), tunables_of(frame.get("allocator", [start.allocator])))
        )
        runs = []
        for record in frame.to_dict("records"):
            row = {str(name): _plain(cell) for name, cell in record.items()}
            runs.append(_fill(start, {name: cell for name, cell in row.items() if cell is not None}))
        return cls._check_all(runs, 1)

    def __len__(self) -> int:
        return len(self.runs)

    @classmethod
    def _check_all(cls, runs: Sequence[Run], rounds: int) -> Plan:
        """Check each combination once; all that is wrong is told together."""
        wrong: dict[str, int] = {}
        for number, run in enumerate(runs, start=1):
            try:
                run.check()
            except WorkbenchError as error:
                wrong.setdefault(str(error), number)
        _refuse(f"run {number}: {message}" for message, number in wrong.items())
        unique = {run.resolve().id: run for run in runs}
        return cls(
            tuple(
                replace(run, seed=run.seed + number, round=run.round + number)
                for number in range(rounds)
                for run in unique.values()
            )
        )


def _check_size(count: int, rounds: int) -> None:
    if rounds < 1:
        raise WrongPlan(f"rounds: {rounds} is not 1 or more")
    if not 1 <= count * rounds <= MAXIMUM_RUNS:
        raise WrongPlan(f"a plan of {count * rounds} runs: there may be 1 to {MAXIMUM_RUNS}")


def _refuse(wrong: Iterable[str]) -> None:
    """Tell all that is wrong together, each once."""
    told = list(dict.fromkeys(wrong))
    if told:
        more = f" ... and {len(told) - _SHOWN_ERRORS} more" if len(told) > _SHOWN_ERRORS else ""
        raise WrongPlan("; ".join(told[:_SHOWN_ERRORS]) + more)


def _check_axes(axes: Mapping[str, Axis], bases: Sequence[Run]) -> Mapping[str, Tunable]:
    """Name every value of every axis that is wrong, with its range; else give the tunables there are."""
    if not bases:
        raise WrongPlan("a plan needs a workload; name at least one")
    allocators = axes.get("allocator", [base.allocator for base in bases])
    workloads = axes.get("workload", [base.workload for base in bases])
    known = tunables_of(map(str, () if isinstance(allocators, Span) else allocators))
    wrong = _list_wrong_names(axes, known)
    for name, axis in axes.items():
        described = [known[name]] if name in known else []
        try:
            if name.startswith(PARAMETER) and not isinstance(workloads, Span):
                described = [_describe_parameter(name, str(workload)) for workload in workloads]
        except WorkbenchError as error:
            wrong.append(str(error))
        wrong += _list_wrong_values(name, axis, described)
    _refuse(wrong)
    return known


def _list_wrong_values(name: str, axis: Axis, described: Sequence[Tunable]) -> Iterator[str]:
    if isinstance(axis, Span):
        yield from _list_wrong_span(name, axis, described[0] if described else None)
    elif not axis:
        yield f"{name}: there are no values; give some or leave it out"
    for value in (axis.low, axis.high) if isinstance(axis, Span) else axis:
        try:
            if name in _FIELDS:
                _convert_field(name, value)
            elif name.startswith(PARAMETER):
                _convert_number(name, value)
            for tunable in described:
                tunable.to_word(value)
        except WorkbenchError as error:
            yield str(error)


def _describe_parameter(name: str, workload: str) -> Tunable:
    known = {parameter.name: parameter for parameter in get_workload(workload).parameters}
    short = name.removeprefix(PARAMETER)
    if short not in known:
        raise WrongPlan(describe_unknown(f"parameter of {workload}", short, known))
    found = known[short]
    return Tunable(name, unit=found.unit, minimum=found.minimum, maximum=found.maximum)


def _list_wrong_names(names: Iterable[str], tunables: Iterable[str]) -> list[str]:
    known = [*_FIELDS, *tunables]
    return [
        describe_unknown("axis", name, known)
        for name in names
        if name not in known and not name.startswith(PARAMETER)
    ]


def _list_wrong_span(name: str, span: Span, tunable: Tunable | None) -> Iterator[str]:
    if (tunable is not None and tunable.type in ("bool", "choice")) or _FIELDS.get(name) is str:
        yield f"{name}: it has no span of values; list them"
    elif not span.low <= span.high:
        yield f"{name}: from {span.low:g} to {span.high:g} is empty; give them in order"
    elif not 1 <= span.steps <= MAXIMUM_RUNS:
        yield f"{name}: {span.steps} steps; there may be 1 to {MAXIMUM_RUNS}"
    elif _is_log(tunable, span) and span.low <= 0:
        yield f"{name}: a span in factors cannot begin at {span.low:g}; begin above 0, or make it linear"


def _is_log(tunable: Tunable | None, span: Span) -> bool:
    if span.is_log is not None:
        return span.is_log
    return tunable is not None and tunable.scale == "log" and span.low > 0


def _place(name: str, span: Span, share: float, known: Mapping[str, Tunable]) -> Value:
    """The value at a share of the way, whole where it has to be."""
    tunable = known.get(name)
    if _is_log(tunable, span):
        value = math.exp(math.log(span.low) + share * (math.log(span.high) - math.log(span.low)))
    else:
        value = span.low + share * (span.high - span.low)
    value = min(max(value, span.low), span.high)
    is_whole = _FIELDS.get(name) is int if tunable is None else tunable.type == "int"
    return round(value) if is_whole or name.startswith(PARAMETER) else value


def _list_values(name: str, axis: Axis, known: Mapping[str, Tunable]) -> list[Value]:
    if not isinstance(axis, Span):
        return list(axis)
    shares = [step / (axis.steps - 1) for step in range(axis.steps)] if axis.steps > 1 else [0.0]
    return list(dict.fromkeys(_place(name, axis, share, known) for share in shares))


def _draw_value(name: str, axis: Axis, order: random.Random, known: Mapping[str, Tunable]) -> Value:
    return _place(name, axis, order.random(), known) if isinstance(axis, Span) else order.choice(axis)


def _keeps_constraints(run: Run) -> bool:
    try:
        run.check()
    except ConstraintBroken:
        return False
    except WorkbenchError:
        pass  # told with all the others
    return True


def _fill(base: Run, row: Mapping[str, Value]) -> Run:
    """The base with a row's values."""
    fields: dict[str, Any] = {}
    parameters, tunables = dict(base.parameters), dict(base.tunables)
    row_tunables: dict[str, Value] = {}
    for name, value in row.items():
        if name.startswith(PARAMETER):
            parameters[name.removeprefix(PARAMETER)] = _convert_number(name, value)
        elif name in _FIELDS:
            fields[name] = _convert_field(name, value)
        else:
            row_tunables[name] = value
    if "operations" in fields:
        fields.setdefault("seconds", None)
    elif "seconds" in fields:
        fields["operations"] = None
    allocator = fields.get("allocator", base.allocator)
    if allocator != base.allocator or not is_tunable(allocator):
        tunables = {}
    # An allocator without a tunable is the same at every point of its axis.
    known = tunables_of([allocator]) if row_tunables else {}
    tunables |= {name: value for name, value in row_tunables.items() if name in known}
    return replace(base, parameters=parameters, tunables=tunables, **fields)


def _convert_field(name: str, value: Value) -> Any:
    kind = _FIELDS[name]
    if kind is str:
        if not isinstance(value, str):
            raise WrongPlan(f"{name} = {value!r} is not a name")
        return value
    number = _convert_number(name, value)
    if kind is int and number != math.floor(number):
        raise WrongPlan(f"{name} = {number:g} is not a whole number")
    return kind(number)


def _convert_number(name: str, value: Value) -> float:
    if isinstance(value, bool | str) or not abs(value) <= _MOST:  # true for NaN, too
        raise WrongPlan(f"{name} = {str(value)[:40]} is not a number that can be used")
    return float(value)


def _plain(cell: Any) -> Any:
    """A cell of a frame as a plain value; None if it is empty."""
    if hasattr(cell, "item"):
        cell = cell.item()
    return None if cell is None or cell != cell or str(cell) == "<NA>" else cell  # noqa: PLR0124 (NaN)
