"""The settings that a study searches: ranges and scales from the descriptors, orders from the constraints.

Constraints of a control block are orders of two tunables. So each value that is chosen narrows the ranges
of those that are left, and whatever is taken out of the narrowed ranges keeps every constraint: nothing is
drawn in vain, and no candidate is refused when it is run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna

from workbench.allocators import DEFAULT_ALLOCATOR, get_allocator
from workbench.control import Constraint, Tunable, Value
from workbench.errors import (
    ConstraintBroken,
    OutOfRange,
    UnknownTunable,
    WorkbenchError,
    WrongPlan,
    describe_unknown,
)


@dataclass(frozen=True)
class Bounds:
    """A narrower range than the descriptor's; None leaves a bound, or the scale, as it is there.

    Parameters
    ----------
    low, high : float or None
        Both included.
    is_log : bool or None
        Whether it is a scale of factors.
    step : float or None
        Only `low` and what lies whole steps above it are tried.
    """

    low: float | None = None
    high: float | None = None
    is_log: bool | None = None
    step: float | None = None


@dataclass(frozen=True)
class Dimension:
    """A tunable that is searched.

    Parameters
    ----------
    low, high : float
        Both included; of values that are listed, the least and the greatest.
    values : tuple of Value
        The only ones, if they are listed; so are those of a choice and of on and off.
    step : float
        Distance of the values from one to the next; 0 if it may be any.
    """

    tunable: Tunable
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    values: tuple[Value, ...] = ()
    step: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return self.tunable.type != "real"

    def describe(self) -> str:
        """Write "256 to 4096 slots, in factors" or "lru, lfu"."""
        if self.values:
            return ", ".join(self.tunable.format(value) for value in self.values)
        ends = " to ".join(self.tunable.format(self.tunable.from_word(end)) for end in (self.low, self.high))
        steps = f", in steps of {self.tunable.format(self.step)}" if self.step else ""
        return ends + (", in factors" if self.is_log else steps)

    def suggest(self, trial: optuna.trial.Trial, low: float, high: float) -> float:
        """Let Optuna choose a number within a part of the range."""
        step = self.step or (1.0 if self.is_whole else None)
        if step:
            low = self.low + step * math.ceil((low - self.low) / step)
            high = low + step * math.floor((high - low) / step)
        if self.is_whole:
            return trial.suggest_int(
                self.tunable.name, math.ceil(low), math.floor(high), step=int(step or 1), log=self.is_log
            )
        return trial.suggest_float(self.tunable.name, low, high, step=step, log=self.is_log)


class SearchSpace:
    """Dimensions of an allocator, and its constraints; tunables that are not searched keep their values.

    Parameters
    ----------
    defaults : mapping of str to Value
        What each tunable is unless it is searched.

    Raises
    ------
    WrongPlan
        If no values keep a constraint, or listed ones may break it.
    """

    def __init__(
        self,
        dimensions: Sequence[Dimension],
        constraints: Sequence[Constraint],
        defaults: Mapping[str, Value],
    ) -> None:
        self.dimensions = tuple(dimensions)
        self._by_name = {dimension.tunable.name: dimension for dimension in dimensions}
        self.names = tuple(self._by_name)
        self._constraints, self._defaults = constraints, defaults
        try:
            ranges = self._narrow({})
        except ConstraintBroken as error:
            raise WrongPlan(f"search: no values of these ranges keep {error}; widen them") from None
        for name, dimension in self._by_name.items():
            self._check_listed(name, dimension, ranges)

    def with_dimensions(self, dimensions: Sequence[Dimension]) -> SearchSpace:
        """Other dimensions of the same allocator."""
        return SearchSpace(dimensions, self._constraints, self._defaults)

    def to_dict(self) -> dict[str, object]:
        """Ranges as plain values."""
        return {
            name: list(each.values)
            if each.values
            else [each.low, each.high, each.is_log, *([each.step] if each.step else [])]
            for name, each in self._by_name.items()
        }

    def is_default(self, settings: Mapping[str, Value]) -> bool:
        """Whether these settings are what a process has anyway."""
        return settings.items() <= self._defaults.items()

    def suggest(self, trial: optuna.trial.Trial) -> dict[str, Value]:
        """Let Optuna choose; what the trial has already stays."""
        chosen: dict[str, Value] = {}
        for name, dimension in self._by_name.items():
            if name in trial.params:
                value = trial.params[name]
            elif dimension.values:
                value = trial.suggest_categorical(name, list(dimension.values))
            else:
                value = dimension.suggest(trial, *self._narrow(chosen)[name])
            chosen[name] = dimension.tunable.from_word(dimension.tunable.to_word(value))
        return chosen

    def complete(self, given: Mapping[str, Value]) -> dict[str, Value]:
        """Settings that somebody gives; the other tunables have their default, or what is nearest to it.

        Raises
        ------
        UnknownTunable, OutOfRange, BadParameter, ConstraintBroken
            If they are not within the study's ranges, or do not go together.
        """
        chosen: dict[str, Value] = {}
        for name, value in given.items():
            if name not in self._by_name:
                raise UnknownTunable(describe_unknown("tunable of this study", name, self._by_name))
            chosen[name] = self._check_value(self._by_name[name], value)
        self._narrow(chosen)
        for name, dimension in self._by_name.items():
            if name in chosen:
                continue
            default = self._defaults[name]
            if dimension.values:
                chosen[name] = default if default in dimension.values else dimension.values[0]
            else:
                low, high = self._narrow(chosen)[name]
                chosen[name] = dimension.tunable.from_word(min(max(float(default), low), high))
        return {name: chosen[name] for name in self._by_name}

    def _narrow(self, chosen: Mapping[str, Value]) -> dict[str, tuple[float, float]]:
        """Range of each tunable, once these values are chosen; ConstraintBroken if nothing is left of one."""
        low = {name: _number(value) for name, value in {**self._defaults, **chosen}.items()}
        high = dict(low)
        for name, dimension in self._by_name.items():
            if name not in chosen:
                low[name], high[name] = dimension.low, dimension.high
        # Orders alone: bounds move inwards until they rest, and what is left of each range can be chosen.
        is_moving = True
        while is_moving:
            is_moving = False
            for pair in self._constraints:
                least, most = low[pair.lower], high[pair.upper]
                if pair.is_strict:
                    least, most = self._step(pair.upper, least, 1), self._step(pair.lower, most, -1)
                if low[pair.upper] < least:
                    low[pair.upper], is_moving = least, True
                if high[pair.lower] > most:
                    high[pair.lower], is_moving = most, True
                for name in (pair.lower, pair.upper):
                    if low[name] > high[name]:
                        raise ConstraintBroken(str(pair))
        return {name: (low[name], high[name]) for name in self._by_name}

    def _step(self, name: str, bound: float, direction: int) -> float:
        is_whole = isinstance(self._defaults[name], int)
        return bound + direction if is_whole else math.nextafter(bound, direction * math.inf)

    def _check_listed(
        self, name: str, dimension: Dimension, ranges: Mapping[str, tuple[float, float]]
    ) -> None:
        if not dimension.values or isinstance(dimension.values[0], str):
            return
        for pair in self._constraints:
            other = {pair.lower: pair.upper, pair.upper: pair.lower}.get(name)
            if other in self._by_name:
                raise WrongPlan(
                    f"search: {name} stands in {pair}, and both are searched; give from and to, not a list"
                )
        low, high = ranges[name]
        for value in dimension.values:
            if not low <= _number(value) <= high:
                pairs = ", ".join(str(pair) for pair in self._constraints if name in (pair.lower, pair.upper))
                raise WrongPlan(f"search: {name} = {value} breaks {pairs} with the default; leave it out")

    def _check_value(self, dimension: Dimension, value: Value) -> Value:
        word = dimension.tunable.to_word(value)
        exact = dimension.tunable.from_word(word)
        if exact not in dimension.values if dimension.values else not dimension.low <= word <= dimension.high:
            raise OutOfRange(
                f"{dimension.tunable.name} = {dimension.tunable.format(exact)} is not searched here: "
                f"{dimension.describe()}"
            )
        return exact


def make_space(
    axes: Mapping[str, Bounds | Sequence[Value]], allocator: str = DEFAULT_ALLOCATOR
) -> SearchSpace:
    """A space over tunables of an allocator, by their names; values that are listed are the only ones.

    Raises
    ------
    WrongPlan
        With the tunable, the value and the range.
    """
    found = get_allocator(allocator)
    return find_space(axes, found.tunables, found.block.constraints, found.defaults)


def find_space(
    axes: Mapping[str, Bounds | Sequence[Value]],
    known: Mapping[str, Tunable],
    constraints: Sequence[Constraint],
    defaults: Mapping[str, Value],
) -> SearchSpace:
    """As `make_space`, over known tunables; those that are not searched have the values of `defaults`."""
    if not axes:
        raise WrongPlan("search: it names no tunable; give some of `workbench tunables`")
    dimensions = []
    for name, axis in axes.items():
        if name not in known:
            raise WrongPlan(f"search: {describe_unknown('tunable', name, known)}")
        try:
            dimensions.append(_make_dimension(known[name], axis))
        except WorkbenchError as error:
            raise WrongPlan(f"search: {error}") from None
    return SearchSpace(dimensions, constraints, defaults)


def _make_dimension(tunable: Tunable, axis: Bounds | Sequence[Value]) -> Dimension:
    name = tunable.name
    if not isinstance(axis, Bounds):
        if not axis:
            raise WrongPlan(f"{name}: there are no values; give some, or {{}} for its whole range")
        values = list(dict.fromkeys(tunable.from_word(tunable.to_word(value)) for value in axis))
        words = [tunable.to_word(value) for value in values]
        return Dimension(tunable, min(words), max(words), values=tuple(values))
    if tunable.type in ("bool", "choice"):
        if axis != Bounds():
            raise WrongPlan(f"{name}: it has no range; list its values: {tunable.describe_range()}")
        values = [tunable.from_word(word) for word in range(int(tunable.maximum) + 1)]
        return Dimension(tunable, 0.0, tunable.maximum, values=tuple(values))
    wants_log = tunable.scale == "log" if axis.is_log is None else axis.is_log
    # Zero is no place on a scale of factors. Where a descriptor allows it, it means something else: none.
    least = tunable.minimum if tunable.minimum > 0 or not wants_log else min(1.0, tunable.maximum)
    low = least if axis.low is None else tunable.to_word(axis.low)
    high = tunable.maximum if axis.high is None else tunable.to_word(axis.high)
    if not low < high:
        raise WrongPlan(f"{name}: from {low:g} to {high:g} is nothing to search; widen it")
    if axis.is_log and low <= 0:
        raise WrongPlan(f"{name}: a scale of factors cannot begin at {low:g}; begin above 0")
    if axis.step is None:
        return Dimension(tunable, low, high, wants_log and low > 0)
    is_whole = tunable.type == "real" or axis.step == math.floor(axis.step)
    if not (0 < axis.step <= high - low and is_whole) or axis.is_log:
        raise WrongPlan(f"{name}: no steps of {axis.step:g} lead from {low:g} to {high:g}")
    high = low + axis.step * math.floor((high - low) / axis.step)
    return Dimension(tunable, low, high, step=axis.step)


def _number(value: Value) -> float:
    return 0.0 if isinstance(value, str) else float(value)
