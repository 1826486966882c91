"""Studies as TOML files.

workloads = ["phases"]               # or [[works]] with workload, parameters, threads ...
datasets = ["jq"]                    # replayed, each once; or paths of traces
seconds = 0.5                        # of a run; or operations
threads = 2                          # the workload's own by default
seeds = [1, 2, 3]                    # round k has the k-th, again and again
objectives = ["throughput"]          # "peak_memory"; both: a Pareto front
rounds = 12                          # pairs that a candidate gets at most
trials = 40                          # candidates
sampler_seed = 1
storage = "postgresql://host/db"     # SQLite beside this file unless given
name = "phases"                      # in that storage; this file's name unless given

[search]                             # or search = ["tls.grow_percent", ...]
"tls.grow_percent" = {}              # the range and scale of its descriptor
"tls.max_slots" = { from = 256, to = 4096, scale = "log" }
"route.profile" = ["conservative", "full"]

[held_out]                           # what the winner is judged by
workloads = ["larson"]               # besides the works above; also datasets, works, seconds ...
seed = 1001                          # of the first round; the others count on
rounds = 20
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.allocators import DEFAULT_ALLOCATOR
from workbench.control import Value
from workbench.errors import WrongPlan
from workbench.experiments import Work
from workbench.experiments.plan_tables import (
    check_names,
    read_toml,
    read_words,
    read_works,
    take,
    take_number,
)
from workbench.tuning.plan import HeldOutPlan, StudyPlan
from workbench.tuning.space import Bounds, make_space

_LENGTH = ("allocator", "seconds", "operations", "threads")
_WORKS = ("workloads", "datasets", "works", *_LENGTH)
_STUDY = (
    *_WORKS, "seeds", "objectives", "rounds", "trials", "sampler_seed", "storage", "name", "search",
    "held_out",
)  # fmt: skip
_HELD_OUT = (*_WORKS, "seed", "rounds")
_SECONDS = 1.0


def read_study(path: str | os.PathLike[str]) -> StudyPlan:
    """Read a study, every value of it checked.

    Raises
    ------
    WrongPlan, OutOfRange
        If the file cannot be read, or something in it is wrong: the entry, the value, the remedy.
    """
    place = Path(path)
    content = read_toml(place, _STUDY)
    works = tuple(_read_works(content, place))
    allocator = works[0].trial.allocator if works else DEFAULT_ALLOCATOR
    plan = StudyPlan(
        name=take(content, "name", str, place.stem),
        works=works,
        space=make_space(_read_search(content), allocator),
        objectives=tuple(read_words(content, "objectives")) if "objectives" in content else ("throughput",),
        seeds=_read_seeds(content),
        rounds=take(content, "rounds", int, StudyPlan.rounds),
        trials=take(content, "trials", int, StudyPlan.trials),
        sampler_seed=take(content, "sampler_seed", int, StudyPlan.sampler_seed),
        held_out=_read_held_out(content, place),
        storage=take(content, "storage", str, None),
    )
    if not plan.name.strip():
        raise WrongPlan("name: it is empty; give one, or leave it out")
    plan.check()
    return plan


def _read_works(content: Mapping[str, Any], path: Path) -> list[Work]:
    given = dict(content)
    if "seconds" not in given and "operations" not in given:
        given["seconds"] = _SECONDS
    if "seconds" in given and "operations" in given:
        raise WrongPlan("a run is by seconds or by operations; give one")
    return read_works({name: given[name] for name in _WORKS if name in given}, path)


def _read_search(content: Mapping[str, Any]) -> dict[str, Bounds | Sequence[Value]]:
    search = content.get("search")
    if search is None:
        raise WrongPlan('search: it is missing; name tunables, as in search = ["NAME", "NAME"]')
    if isinstance(search, list):
        names = read_words(content, "search")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise WrongPlan(f"search: {twice[0]} stands twice; give it once")
        return {name: Bounds() for name in names}
    return {
        name: _read_axis(name, axis) for name, axis in _flatten(take(content, "search", dict, {})).items()
    }


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Names as they are: TOML reads tls.max_slots without quotes as a table in a table."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        is_group = isinstance(value, dict) and bool(value) and not prefix and "." not in key
        flat |= _flatten(value, f"{key}.") if is_group else {prefix + key: value}
    return flat


def _read_axis(name: str, axis: object) -> Bounds | Sequence[Value]:
    if isinstance(axis, dict):
        check_names(axis, ("from", "to", "scale"), f"search: {name}")
        scale = take(axis, "scale", str, None)
        if scale not in (None, "linear", "log"):
            raise WrongPlan(f"search: {name}: scale '{str(scale)[:40]}' is neither linear nor log")
        low, high = (
            take_number(axis, bound, f"search: {name}") if bound in axis else None for bound in ("from", "to")
        )
        return Bounds(low, high, None if scale is None else scale == "log")
    if not isinstance(axis, list):
        raise WrongPlan(f"search: {name}: {str(axis)[:40]} is no range; give {{}} or a list of values")
    for value in axis:
        if not isinstance(value, int | float | str | bool):
            raise WrongPlan(f"search: {name}: {str(value)[:40]} is not a value")
    return axis


def _read_seeds(content: Mapping[str, Any]) -> tuple[int, ...]:
    seeds = take(content, "seeds", list, list(StudyPlan.seeds))
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise WrongPlan(f"seeds: {str(seed)[:40]} is not a whole number")
    if len(set(seeds)) < len(seeds):
        raise WrongPlan("seeds: one stands twice; give each once")
    return tuple(seeds)


def _read_held_out(content: Mapping[str, Any], path: Path) -> HeldOutPlan:
    table = take(content, "held_out", dict, {})
    check_names(table, _HELD_OUT, "[held_out]")
    try:
        own = {name: table[name] for name in _WORKS if name in table}
        works: list[Work] = []
        if own.keys() & {"workloads", "datasets", "works"}:
            common = {name: content[name] for name in _LENGTH if name in content}
            if own.keys() & {"seconds", "operations"}:
                common = {name: value for name, value in common.items() if name in ("allocator", "threads")}
            works = _read_works(common | own, path)
        elif own:
            raise WrongPlan(f"{next(iter(own))}: no work is named beside it; give workloads or datasets")
        return HeldOutPlan(
            tuple(works),
            take(table, "seed", int, HeldOutPlan.seed),
            take(table, "rounds", int, HeldOutPlan.rounds),
        )
    except WrongPlan as error:
        raise WrongPlan(f"[held_out] {error}") from None
