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

import msgspec

from workbench.allocators import DEFAULT_ALLOCATOR
from workbench.control import Value
from workbench.errors import WrongPlan
from workbench.experiments import Work
from workbench.experiments.plan_file import RangeEntry, WorkEntries, read_entry, read_toml, read_works
from workbench.tuning.plan import HeldOutPlan, StudyPlan
from workbench.tuning.space import Bounds, make_space

_SECONDS = 1.0


class _HeldOut(WorkEntries):
    seed: int = HeldOutPlan.seed
    rounds: int = HeldOutPlan.rounds


class _Study(WorkEntries):
    search: list[str] | dict[str, Any] | None = None
    name: str | None = None
    objectives: tuple[str, ...] = StudyPlan.objectives
    seeds: tuple[int, ...] = StudyPlan.seeds
    rounds: int = StudyPlan.rounds
    trials: int = StudyPlan.trials
    sampler_seed: int = StudyPlan.sampler_seed
    held_out: _HeldOut = msgspec.field(default_factory=_HeldOut)
    storage: str | None = None


def read_study(path: str | os.PathLike[str]) -> StudyPlan:
    """Read a study, every value of it checked.

    Raises
    ------
    WrongPlan, OutOfRange
        If the file cannot be read, or something in it is wrong: the entry, the value, the remedy.
    """
    place = Path(path)
    content = read_toml(place, _Study)
    if len(set(content.seeds)) < len(content.seeds):
        raise WrongPlan("seeds: one stands twice; give each once")
    held_out = _read_held_out(content, place)
    works = tuple(_read_works(content, place))
    allocator = works[0].run.allocator if works else DEFAULT_ALLOCATOR
    plan = StudyPlan(
        name=place.stem if content.name is None else content.name,
        works=works,
        space=make_space(_read_search(content.search), allocator),
        objectives=content.objectives,
        seeds=content.seeds,
        rounds=content.rounds,
        trials=content.trials,
        sampler_seed=content.sampler_seed,
        held_out=held_out,
        storage=content.storage,
    )
    if not plan.name.strip():
        raise WrongPlan("name: it is empty; give one, or leave it out")
    plan.check()
    return plan


def _read_works(entries: WorkEntries, path: Path) -> list[Work]:
    if entries.seconds is None and entries.operations is None:
        entries.seconds = _SECONDS
    elif entries.seconds is not None and entries.operations is not None:
        raise WrongPlan("a run is by seconds or by operations; give one")
    return read_works(entries, path)


def _read_search(search: list[str] | dict[str, Any] | None) -> dict[str, Bounds | Sequence[Value]]:
    if search is None:
        raise WrongPlan('search: it is missing; name tunables, as in search = ["NAME", "NAME"]')
    if isinstance(search, list):
        twice = [name for name in search if search.count(name) > 1]
        if twice:
            raise WrongPlan(f"search: {twice[0]} stands twice; give it once")
        return {name: Bounds() for name in search}
    axes = _flatten(search)
    for name, axis in axes.items():
        if not isinstance(axis, dict | list):
            raise WrongPlan(f"search: {name}: {str(axis)[:40]} is no range; give {{}} or a list of values")
    return {
        name: axis if isinstance(axis, list) else Bounds(axis.low, axis.high, axis.is_log(f"search: {name}"))
        for name, axis in read_entry(dict[str, RangeEntry | list[Value]], axes, "search").items()
    }


def _flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Names as they are: TOML reads tls.max_slots without quotes as a table in a table."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        is_group = isinstance(value, dict) and bool(value) and not prefix and "." not in key
        flat |= _flatten(value, f"{key}.") if is_group else {prefix + key: value}
    return flat


def _read_held_out(content: _Study, path: Path) -> HeldOutPlan:
    own = content.held_out
    works: list[Work] = []
    try:
        if own.workloads or own.datasets or own.works:
            if own.seconds is None and own.operations is None:
                own.seconds, own.operations = content.seconds, content.operations
            own.threads = content.threads if own.threads is None else own.threads
            own.allocator = own.allocator or content.allocator
            works = _read_works(own, path)
        else:
            for name in ("seconds", "operations", "threads", "allocator"):
                if getattr(own, name) is not None:
                    raise WrongPlan(f"{name}: no work is named beside it; give workloads or datasets")
    except WrongPlan as error:
        raise WrongPlan(f"[held_out] {error}") from None
    return HeldOutPlan(tuple(works), own.seed, own.rounds)
