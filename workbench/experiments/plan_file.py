"""Plans as TOML files: of a sweep, and of a comparison.

A sweep:

    workloads = ["phases", "larson"]     # or [[works]] with workload, parameters, threads ...
    datasets = ["jq"]                    # replayed, each once; or paths of traces
    seconds = 1.0                        # or operations
    rounds = 3

    [axes]
    "tls.grow_percent" = [60, 80, 90]
    "tls.max_slots" = { from = 256, to = 2048, steps = 4 }
    threads = [1, 2]

    [random]                             # leave it out for the whole grid
    count = 50
    seed = 1

A comparison has `allocators` or [[variants]] (name, allocator, tunables) instead of axes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from workbench.allocators import DEFAULT_ALLOCATOR
from workbench.errors import BadParameter, WrongPlan
from workbench.experiments.comparison_plan import ComparisonPlan, Variant
from workbench.experiments.plan import Axis, Plan, Span
from workbench.experiments.plan_tables import (
    check_names,
    read_tables,
    read_toml,
    read_words,
    read_works,
    take,
    take_number,
)
from workbench.processes.runs import Run

_COMMON = ("workloads", "datasets", "works", "seconds", "operations", "threads", "seed", "rounds")
_SWEEP = (*_COMMON, "allocator", "tunables", "axes", "random")
_COMPARISON = (*_COMMON, "allocators", "variants", "looks", "samples_latency")


def read_sweep_plan(path: str | os.PathLike[str]) -> Plan:
    """Read the plan of a sweep, every value of it checked.

    Raises
    ------
    WrongPlan
        If the file cannot be read, or something in it is wrong: all that is, with its range.
    """
    content = read_toml(Path(path), _SWEEP)
    trials = [work.trial for work in read_works(content, Path(path))]
    for name in ("allocator", "tunables"):
        if name in content:
            trials = [_replace(trial, name, content[name]) for trial in trials]
    axes = {name: _read_axis(name, axis) for name, axis in take(content, "axes", dict, {}).items()}
    rounds = take(content, "rounds", int, 1)
    drawn = take(content, "random", dict, None)
    if drawn is None:
        return Plan.from_grid(trials, axes, rounds)
    check_names(drawn, ("count", "seed"), "[random]")
    if "count" not in drawn:
        raise WrongPlan("[random]: it needs a count")
    return Plan.from_random(trials, axes, take(drawn, "count", int, 0), take(drawn, "seed", int, 1), rounds)


def read_comparison_plan(path: str | os.PathLike[str]) -> ComparisonPlan:
    """Read the plan of a comparison.

    Raises
    ------
    WrongPlan
        If the file cannot be read, or something in it is of the wrong kind. (`ComparisonPlan.check`
        says the rest.)
    """
    content = read_toml(Path(path), _COMPARISON)
    variants = [Variant(name, name) for name in read_words(content, "allocators")]
    for table in read_tables(content, "variants"):
        check_names(table, ("name", "allocator", "tunables"), "a variant")
        if "name" not in table:
            raise WrongPlan("a variant needs a name")
        given = {name: take(table, name, kind, None) for name, kind in (("name", str), ("allocator", str))}
        tunables = take(table, "tunables", dict, {})
        variants.append(Variant(given["name"], given["allocator"] or DEFAULT_ALLOCATOR, tunables))
    return ComparisonPlan(
        works=tuple(read_works(content, Path(path))),
        variants=tuple(variants),
        rounds=take(content, "rounds", int, 10),
        looks=take(content, "looks", int, 1),
        samples_latency=take(content, "samples_latency", bool, False),
    )


def _replace(trial: Run, name: str, value: object) -> Run:
    try:
        checked = Run.from_dict({"workload": trial.workload, name: value})
    except BadParameter as error:
        raise WrongPlan(str(error)) from None
    return replace(trial, **{name: getattr(checked, name)})


def _read_axis(name: str, axis: object) -> Axis:
    if isinstance(axis, dict):
        check_names(axis, ("from", "to", "steps", "scale"), name)
        for bound in ("from", "to"):
            if bound not in axis:
                raise WrongPlan(f"{name}: a span needs from and to")
        scale = take(axis, "scale", str, None)
        if scale not in (None, "linear", "log"):
            raise WrongPlan(f"{name}: scale '{scale}' is neither linear nor log")
        low, high = (take_number(axis, bound, name) for bound in ("from", "to"))
        return Span(low, high, take(axis, "steps", int, 5), None if scale is None else scale == "log")
    values: list[Any] = axis if isinstance(axis, list) else [axis]
    for value in values:
        if not isinstance(value, int | float | str | bool):
            raise WrongPlan(f"{name}: {value!r} is not a value")
    return values
