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

import msgspec
from msgspec.structs import replace

from workbench.allocators import DEFAULT_ALLOCATOR
from workbench.control import Value
from workbench.errors import WrongPlan
from workbench.experiments.comparison_plan import ComparisonPlan, Variant
from workbench.experiments.plan import Axis, Plan, Span
from workbench.experiments.plan_tables import AxisEntry, RangeEntry, WorkEntries, read_toml, read_works


class _Random(msgspec.Struct, forbid_unknown_fields=True):
    count: int
    seed: int = 1


class _Sweep(WorkEntries):
    seed: int | None = None
    rounds: int = 1
    tunables: dict[str, Value] | None = None
    axes: dict[str, AxisEntry] | None = None
    random: _Random | None = None


class _Variant(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    allocator: str = DEFAULT_ALLOCATOR
    tunables: dict[str, Value] = {}


class _Comparison(WorkEntries):
    seed: int | None = None
    rounds: int = 10
    allocators: tuple[str, ...] = ()
    variants: tuple[_Variant, ...] = ()
    looks: int = 1
    samples_latency: bool = False


def read_sweep_plan(path: str | os.PathLike[str]) -> Plan:
    """Read the plan of a sweep, every value of it checked.

    Raises
    ------
    WrongPlan
        If the file cannot be read, or something in it is wrong: all that is, with its range.
    """
    content = read_toml(Path(path), _Sweep)
    runs = [work.run for work in read_works(content, Path(path), content.seed)]
    if content.tunables is not None:
        runs = [replace(run, tunables=content.tunables) for run in runs]
    axes = {name: _read_axis(name, axis) for name, axis in (content.axes or {}).items()}
    if content.random is None:
        return Plan.from_grid(runs, axes, content.rounds)
    return Plan.from_random(runs, axes, content.random.count, content.random.seed, content.rounds)


def read_comparison_plan(path: str | os.PathLike[str]) -> ComparisonPlan:
    """Read the plan of a comparison.

    Raises
    ------
    WrongPlan
        If the file cannot be read, or something in it is of the wrong kind. (`ComparisonPlan.check`
        says the rest.)
    """
    content = read_toml(Path(path), _Comparison)
    return ComparisonPlan(
        works=tuple(read_works(content, Path(path), content.seed)),
        variants=(
            *(Variant(name, name) for name in content.allocators),
            *(Variant(one.name, one.allocator, one.tunables) for one in content.variants),
        ),
        rounds=content.rounds,
        looks=content.looks,
        samples_latency=content.samples_latency,
    )


def _read_axis(name: str, axis: AxisEntry) -> Axis:
    if isinstance(axis, RangeEntry):
        if axis.low is None or axis.high is None:
            raise WrongPlan(f"{name}: a span needs from and to")
        return Span(axis.low, axis.high, axis.steps, axis.is_log(name))
    return axis if isinstance(axis, list) else [axis]
