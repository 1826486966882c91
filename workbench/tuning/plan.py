"""A study as it is declared: what is tuned, for what, on what, and what it is judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from workbench.allocators import is_tunable
from workbench.errors import OutOfRange, WorkbenchError, WrongPlan, describe_unknown
from workbench.experiments import PEAK_RESIDENT, THROUGHPUT, ComparisonPlan, Measure, Variant, Work
from workbench.experiments.comparison_plan import check_names
from workbench.experiments.inference import SHOWN_RISK, least_pairs
from workbench.tuning.space import SearchSpace

#: What settings are tuned for, by the name that a study file uses.
OBJECTIVES: Mapping[str, Measure] = {"throughput": THROUGHPUT, "peak_memory": PEAK_RESIDENT}
MOST_TRIALS = 100_000
#: With fewer rounds nothing could ever be told better.
LEAST_ROUNDS = least_pairs(SHOWN_RISK)
MOST_ROUNDS = 10_000
MOST_SEED = 2**64
_HELD_OUT_SEED = 1001


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
    seed: int = _HELD_OUT_SEED
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
        Names from `OBJECTIVES`; with several it is a search for the Pareto front.
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
        return tuple(OBJECTIVES[name] for name in self.objectives)

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
        if not self.objectives:
            raise WrongPlan(f"objectives: there are none; give {' or '.join(OBJECTIVES)}")
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise WrongPlan(f"objectives: {describe_unknown('objective', name, OBJECTIVES)}")
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
