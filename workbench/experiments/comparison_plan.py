"""A comparison as it is declared: which variants do which works, in how many rounds, in what order."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from workbench.control import Value
from workbench.errors import OutOfRange, WrongPlan
from workbench.processes.runs import Run
from workbench.processes.settings import TUNABLE_ALLOCATOR

_MOST_ROUNDS = 10_000


@dataclass(frozen=True)
class Work:
    """What is done: a trial whose allocator, settings, seed and round are filled in by the comparison.

    Parameters
    ----------
    name : str
        For people; unique in a comparison.
    trial : Run
    """

    name: str
    trial: Run


@dataclass(frozen=True)
class Variant:
    """What is compared.

    Parameters
    ----------
    name : str
        For people; unique in a comparison.
    allocator : str
    tunables : mapping of str to Value
        Of hakmem, on top of the work's own.
    """

    name: str
    allocator: str = TUNABLE_ALLOCATOR
    tunables: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparisonPlan:
    """A comparison as it is declared before anything runs.

    Parameters
    ----------
    works : tuple of Work
    variants : tuple of Variant
        The first is the baseline.
    rounds : int
        In each, every variant does every work once, in random order.
    looks : int
        How often, at equal distances, the rounds are looked at; they end early once all is told.
    seed : int
        Of the order; the work of round k has its trial's seed + k.
    samples_latency : bool
        Whether each round also has trials that time single calls.
    """

    works: tuple[Work, ...]
    variants: tuple[Variant, ...]
    rounds: int = 10
    looks: int = 1
    seed: int = 1
    samples_latency: bool = False

    def check(self) -> None:
        """See whether it can be run here.

        Raises
        ------
        WrongPlan, OutOfRange
            If there is too little to compare, or a name stands twice.
        WorkbenchError
            As `Run.check`, for any of its trials.
        """
        if not self.works:
            raise WrongPlan("a comparison needs a workload; name at least one")
        if len(self.variants) < 2:
            raise WrongPlan("a comparison needs two variants; name allocators or settings to compare")
        for what, names in (
            ("workload", [work.name for work in self.works]),
            ("variant", [variant.name for variant in self.variants]),
        ):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise WrongPlan(f"{what} '{twice[0]}' stands twice; give each a name of its own")
        if not 1 <= self.rounds <= _MOST_ROUNDS:
            raise OutOfRange(f"rounds: {self.rounds} is not within 1 to {_MOST_ROUNDS}")
        if not 1 <= self.looks <= self.rounds:
            raise OutOfRange(f"looks: {self.looks} is not within 1 to the {self.rounds} rounds")
        for work in self.works:
            for variant in self.variants:
                _fill(work, variant).check()  # before a round is made up: that needs values that make sense
        for cell in self.list_round(0):
            cell.trial.check()

    def list_round(self, number: int) -> list[Cell]:
        """The trials of a round in their random order: works shuffled, and variants within each."""
        order = random.Random(f"{self.seed} {number}")
        cells = []
        for work in order.sample(self.works, len(self.works)):
            variants = order.sample(self.variants, len(self.variants))
            for is_latency in (False, True) if self.samples_latency and not work.trial.command else (False,):
                cells += [
                    Cell(work.name, variant.name, number, self._make_trial(work, variant, number, is_latency))
                    for variant in variants
                ]
        return cells

    def list_cells(self) -> Iterator[Cell]:
        """The trials of all rounds, in their order."""
        for number in range(self.rounds):
            yield from self.list_round(number)

    def list_looks(self) -> list[int]:
        """After how many rounds it is looked at; the last is the end."""
        return [-(-self.rounds * look // self.looks) for look in range(1, self.looks + 1)]

    def to_dict(self) -> dict[str, Any]:
        """The declaration as plain values."""
        return {
            "works": [{"name": work.name, "trial": work.trial.to_dict()} for work in self.works],
            "variants": [
                {"name": one.name, "allocator": one.allocator, "tunables": dict(one.tunables)}
                for one in self.variants
            ],
            "rounds": self.rounds,
            "looks": self.looks,
            "seed": self.seed,
            "samples_latency": self.samples_latency,
        }

    def _make_trial(self, work: Work, variant: Variant, number: int, is_latency: bool) -> Run:
        trial = _fill(work, variant)
        # Variants of the same content, however they are written, are told apart by the number of the repeat.
        before = self.variants[: self.variants.index(variant)]
        copy = sum(_fill(work, other).resolve().condition == trial.resolve().condition for other in before)
        return replace(
            trial,
            seed=trial.seed + number,
            round=number + copy * self.rounds,
            samples_latency=is_latency,
        )


def _fill(work: Work, variant: Variant) -> Run:
    """The work under the variant; settings are hakmem's alone."""
    is_tunable = variant.allocator == TUNABLE_ALLOCATOR
    return replace(
        work.trial,
        allocator=variant.allocator,
        tunables=dict(work.trial.tunables) | dict(variant.tunables) if is_tunable else {},
        schedule=work.trial.schedule if is_tunable else (),
    )


@dataclass(frozen=True)
class Cell:
    """A trial at its place in a comparison: of which work, variant and round."""

    work: str
    variant: str
    round: int
    trial: Run
