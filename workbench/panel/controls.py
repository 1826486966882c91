"""Descriptors of tunables to what a control shows: stops of its slider, texts, its state."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from workbench.control import Tunable, Value
from workbench.panel import protocol

# A slider with more steps than this has chosen stops instead; exact values are typed.
MAXIMUM_STEPS = 1000
LINEAR_STOPS = 200
EFFECT_TEXTS = {
    "live": "at once",
    "new threads": "for new threads",
    "start": "at start",
    "new arenas": "for new arenas",
    "new mappings": "for new mappings",
}


def describe_controls(tunables: Iterable[Tunable]) -> list[protocol.ControlGroup]:
    """Controls by component, in the order of the descriptors."""
    groups: dict[str, list[protocol.Control]] = {}
    for tunable in tunables:
        control: protocol.Control = {
            "tunable": tunable,
            "effect_text": EFFECT_TEXTS.get(tunable.effect, tunable.effect),
            "default_text": tunable.format(tunable.default),
            "range_text": tunable.describe_range(),
            # A hundredth of the range, as a power of ten.
            "step": 10.0 ** math.floor(math.log10((tunable.maximum - tunable.minimum) / 100))
            if tunable.type == "real"
            else 1,
            "stops": slider_stops(tunable) if tunable.type in ("int", "real") else None,
        }
        groups.setdefault(tunable.group, []).append(control)
    return [{"title": title, "controls": members} for title, members in groups.items()]


def slider_stops(tunable: Tunable) -> list[int | float] | None:
    """Values a slider stops at, growing; None if it has every value of its range.

    A log scale stops at powers of two and the three quarters between them where the default is such
    a value, else at two significant digits; zero, which often means 'off', comes first. A wide linear
    scale stops at round values. Both ends and the default are always among them.
    """
    low, high = float(tunable.minimum), float(tunable.maximum)
    default = float(tunable.to_word(tunable.default))
    is_int = tunable.type == "int"
    if tunable.scale == "log" and low >= 0:
        stops = _log_stops(max(low, 1.0 if is_int else high * 1e-6), high, default)
        if low == 0:
            stops.add(0.0)
    elif is_int and high - low > MAXIMUM_STEPS:
        step = _round_step((high - low) / LINEAR_STOPS)
        first = math.ceil(low / step)
        stops = {step * index for index in range(first, math.floor(high / step) + 1)}
    else:
        return None
    chosen = sorted({low, high, default} | {stop for stop in stops if low <= stop <= high})
    return [int(stop) for stop in chosen] if is_int else list(chosen)


def _log_stops(low: float, high: float, default: float) -> set[float]:
    stops = set()
    if _is_binary(default):
        for exponent in range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1):
            stops |= {math.ldexp(quarter / 4, exponent) for quarter in (4, 5, 6, 7)}
    else:
        for exponent in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
            stops |= {round(digit * 10.0**exponent, 12) for digit in (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)}
    return {stop for stop in stops if stop == int(stop)} if low >= 1 else stops


def _is_binary(value: float) -> bool:
    """Whether a value is zero, a power of two, or one and a half of it."""
    return math.frexp(value)[0] in (0.0, 0.5, 0.75)


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... above a step."""
    unit = 10.0 ** math.floor(math.log10(max(step, 1.0)))
    return next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= step)


def describe_state(
    tunable: Tunable, value: Value, effective: Mapping[str, Value] | None, *, is_adopted: bool = False
) -> tuple[str, bool]:
    """What a value asked for stands at, and whether the process does not act on it.

    `effective` are the values that the process acts on; None while none runs. If `is_adopted`, it has taken
    up all that was asked for, so that a value which differs was refused or cut to what is possible.
    """
    wanted = tunable.format(value)
    if effective is None or tunable.name not in effective:
        return f"{wanted} from the next Start", False
    acting = tunable.format(effective[tunable.name])
    if effective[tunable.name] == value:
        if not tunable.is_write_only:
            return f"effective {acting}", False
        is_set = value != tunable.default
        return (
            f"set to {wanted}; it cannot be read back" if is_set else "not set: the allocator decides",
            False,
        )
    if tunable.effect == "start":
        return f"requested {wanted} from the next Start, effective {acting}", True
    if is_adopted:
        return f"requested {wanted}, but the allocator acts on {acting}", True
    return f"requested {wanted}, effective {acting}", True


def describe_change(
    tunables: Mapping[str, Tunable], before: Mapping[str, Value], after: Mapping[str, Value], most: int = 3
) -> str:
    """'tls.grow_percent 80 → 60 %', and how many more."""
    parts = []
    for name, value in list(after.items())[:most]:
        tunable = tunables.get(name)
        old, new = (tunable.format(one) if tunable else str(one) for one in (before.get(name, value), value))
        # The unit once, where both values have the same.
        unit = f" {tunable.unit}" if tunable and tunable.unit else ""
        if unit and new.endswith(unit):
            old = old.removesuffix(unit)
        parts.append(f"{name} {old} → {new}" if name in before else name)  # an action has no values
    if len(after) > most:
        parts.append(f"and {len(after) - most} more")
    return ", ".join(parts)
