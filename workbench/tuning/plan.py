"""A study as it is declared: what is tuned, for what, on what, and what it is judged by; also as a TOML file.

workloads = ["phases"]               # or [[works]] with workload, parameters, threads ...
datasets = ["jq"]                    # replayed, each once; or paths of traces
seconds = 0.5                        # of a run; or operations
threads = 2                          # the workload's own by default
seeds = [1, 2, 3]                    # round k has the k-th, again and again
objectives = ["throughput"]          # "peak_memory", a figure of the works; several: a Pareto front
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from workbench.allocators import DEFAULT_ALLOCATOR, is_tunable
from workbench.control import Value
from workbench.errors import OutOfRange, WorkbenchError, WrongPlan, describe_unknown
from workbench.experiments import (
    PEAK_RESIDENT,
    PROCESSOR_TIME,
    THROUGHPUT,
    ComparisonPlan,
    Measure,
    Variant,
    Work,
)
from workbench.experiments.comparison_plan import check_names
from workbench.experiments.inference import SHOWN_RISK, least_pairs
from workbench.experiments.measures import ELAPSED_TIME, figure_measure
from workbench.experiments.plan_file import RangeEntry, WorkEntries, read_entry, read_toml, read_works
from workbench.tuning.space import Bounds, SearchSpace, make_space

#: What settings are tuned for, by the name that a study file uses.
OBJECTIVES: Mapping[str, Measure] = {"throughput": THROUGHPUT, "peak_memory": PEAK_RESIDENT}
_OF_COMMANDS: Mapping[str, Measure] = {"elapsed": ELAPSED_TIME, "processor_time": PROCESSOR_TIME}
MOST_TRIALS = 100_000
#: With fewer rounds nothing could ever be told better.
LEAST_ROUNDS = least_pairs(SHOWN_RISK)
MOST_ROUNDS = 10_000
MOST_SEED = 2**64
_SECONDS = 1.0  # of a run
_AS_THEY_STAND = ("objectives", "seeds", "rounds", "trials", "sampler_seed", "storage")


@dataclass(frozen=True)
class HeldOutPlan:
    """What the winner is compared with the defaults on.

    Parameters
    ----------
    works : tuple of Work
        Besides the study's own works, which take other seeds here.
    seed : int
        Seed of the first round; round k has seed + k.
    """

    works: tuple[Work, ...] = ()
    seed: int = 1001
    rounds: int = 20


@dataclass(frozen=True)
class StudyPlan:
    """A study as it is declared before anything runs.

    Parameters
    ----------
    name : str
        By which a storage tells studies apart.
    works : tuple of Work
        A candidate is as good as the geometric mean of its ratios on all of them.
    objectives : tuple of str
        Names from `list_objectives`; with several it is a search for the Pareto front.
    seeds : tuple of int
        Round k has the k-th of them, again and again.
    rounds : int
        Pairs that a candidate gets, unless it is pruned before.
    trials : int
        Candidates in all; more can be asked for.
    sampler_seed : int
        Seed of the search and of the order within rounds.
    storage : str or None
        URL of a database that Optuna knows; None: SQLite beside the file.
    """

    name: str
    works: tuple[Work, ...]
    space: SearchSpace
    objectives: tuple[str, ...] = ("throughput",)
    seeds: tuple[int, ...] = (1, 2, 3)
    rounds: int = 12
    trials: int = 40
    sampler_seed: int = 1
    held_out: HeldOutPlan = field(default_factory=HeldOutPlan)
    storage: str | None = None

    @property
    def allocator(self) -> str:
        """Whose settings are searched."""
        return self.works[0].run.allocator

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Measures of the objectives."""
        known = self.list_objectives()
        return tuple(known[name] for name in self.objectives)

    def list_objectives(self) -> dict[str, Measure]:
        """What its works can be tuned for: `OBJECTIVES`, and of commands their times and common figures."""
        works = (*self.works, *self.held_out.works)
        of_commands = dict(_OF_COMMANDS) if all(work.run.command for work in works) else {}
        first, *others = ({figure_measure(one) for one in work.run.figures} for work in works)
        common = {one.name: one for one in first.intersection(*others)}
        return {**OBJECTIVES, **of_commands, **common}

    def check(self) -> None:
        """See whether it can be run here.

        Raises
        ------
        WrongPlan, OutOfRange
            With the entry, the value and the remedy.
        """
        if not self.works:
            raise WrongPlan("a study needs a workload; give workloads, datasets or [[works]]")
        held_out = self.held_out
        _check_works("", self.works)
        _check_works("held_out: ", held_out.works)
        others = {work.run.allocator for work in (*self.works, *held_out.works)} - {self.allocator}
        if others:
            raise WrongPlan(f"works: {self.allocator} and {others.pop()} cannot be tuned at once; choose one")
        known = self.list_objectives()
        if not self.objectives:
            raise WrongPlan(f"objectives: there are none; give {' or '.join(known)}")
        for name in self.objectives:
            if name not in known:
                raise WrongPlan(f"objectives: {describe_unknown('objective', name, known)}")
        if len(set(self.objectives)) < len(self.objectives):
            raise WrongPlan("objectives: one stands twice; give each once")
        if not self.seeds:
            raise WrongPlan("seeds: there are none; give at least one")
        for name, value, least, most in (
            ("rounds", self.rounds, LEAST_ROUNDS, MOST_ROUNDS),
            ("trials", self.trials, 1, MOST_TRIALS),
            ("sampler_seed", self.sampler_seed, 0, MOST_SEED - 1),
            *(("seeds", seed, 0, MOST_SEED - 1) for seed in self.seeds),
            ("held_out: rounds", held_out.rounds, 1, MOST_ROUNDS),
            ("held_out: seed", held_out.seed, 0, MOST_SEED - MOST_ROUNDS),
        ):
            if not least <= value <= most:
                reason = " (fewer tell nothing)" if name == "rounds" and value < least else ""
                raise OutOfRange(f"{name}: {value} is not within {least} to {most}{reason}")
        seen = [seed for seed in self.seeds if held_out.seed <= seed < held_out.seed + held_out.rounds]
        if seen:
            raise WrongPlan(
                f"held_out: seed {seen[0]} is one of the study's; begin such that none of "
                f"{held_out.rounds} is, at {max(self.seeds) + 1} for instance"
            )
        for work in (*self.works, *held_out.works):
            try:
                work.run.check()
            except WorkbenchError as error:
                raise WrongPlan(f"{work.name}: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """What must not change while it goes on: all but the number of trials and what is held out."""
        return {
            "works": [{"name": work.name, "trial": work.run.to_dict()} for work in self.works],
            "search": self.space.to_dict(),
            "objectives": list(self.objectives),
            "seeds": list(self.seeds),
            "rounds": self.rounds,
            "sampler_seed": self.sampler_seed,
        }

    def compare_held_out(self, winners: Mapping[str, Mapping[str, Any]]) -> ComparisonPlan:
        """The comparison of winners, settings by name, with the defaults on what was held out.

        A work that is the same whatever the seed has been seen: it takes part only if nothing else does.
        """
        fresh = [work for work in self.works if not _is_fixed(work)]
        named = {work.name for work in self.held_out.works}
        works = [work for work in fresh if work.name not in named] + list(self.held_out.works)
        return ComparisonPlan(
            tuple(
                Work(work.name, replace(work.run, seed=self.held_out.seed)) for work in works or self.works
            ),
            (
                Variant("defaults", self.allocator),
                *(Variant(name, self.allocator, dict(settings)) for name, settings in winners.items()),
            ),
            self.held_out.rounds,
        )

    def list_seen(self) -> list[str]:
        """Works of the held-out comparison that the study has seen as they are."""
        own = {work.run.resolve().condition for work in self.works if _is_fixed(work)}
        works = self.compare_held_out({}).works
        return [work.name for work in works if work.run.resolve().condition in own]


def _is_fixed(work: Work) -> bool:
    """Whether it is the same whatever the seed: a recorded trace, or a program."""
    return work.run.trace is not None or bool(work.run.command)


def _check_works(where: str, works: tuple[Work, ...]) -> None:
    check_names(f"{where}work", works)
    for work in works:
        if work.run.tunables or work.run.schedule:
            raise WrongPlan(
                f"{where}{work.name}: a study says itself what is set; leave out tunables and schedule"
            )
        if not is_tunable(work.run.allocator):
            allocator = work.run.allocator
            raise WrongPlan(f"{where}{work.name}: {allocator} has no tunables; leave out allocator")


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


def read_study(path: str | os.PathLike[str], objectives: Sequence[str] = ()) -> StudyPlan:
    """Read a study, every value of it checked; `objectives` take the place of those in the file.

    Raises
    ------
    WrongPlan, OutOfRange
        If the file cannot be read, or something in it is wrong: the entry, the value, the remedy.
    """
    place = Path(path)
    content = read_toml(place, _Study)
    content.objectives = tuple(objectives) or content.objectives
    if len(set(content.seeds)) < len(content.seeds):
        raise WrongPlan("seeds: one stands twice; give each once")
    held_out = _read_held_out(content, place)
    works = tuple(_read_works(content, place))
    allocator = works[0].run.allocator if works else DEFAULT_ALLOCATOR
    plan = StudyPlan(
        place.stem if content.name is None else content.name,
        works,
        make_space(_read_search(content.search), allocator),
        held_out=held_out,
        **{name: getattr(content, name) for name in _AS_THEY_STAND},
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
