"""A comparison as it is declared: which variants do which works, in how many rounds, in what order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from workbench.allocators import DEFAULT_ALLOCATOR, is_tunable
from workbench.control import Value
from workbench.errors import OutOfRange, WrongPlan
from workbench.experiments.inference import VERDICT_RISK, spend_risk
from workbench.experiments.measures import MEASURES, Measure, figure_measure
from workbench.plain_values import read_value
from workbench.processes.runs import Run

_MOST_ROUNDS = 10_000
# A declaration is as it was before there were these: they stand in it only if they are given.
_OPTIONS = ("warmup", "ends_on_failure", "compares_output", "looked")


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done: a run whose allocator, settings, seed and round are filled in by the comparison.

    Parameters
    ----------
    name : str
        For people; unique in a comparison.
    run : Run
    """

    name: str
    run: Run = msgspec.field(name="trial")  # as it was called when the first results were written

    def make_run(self, variant: Variant) -> Run:
        """The work under a variant; a work's own settings are for the allocator that it names."""
        is_same = is_tunable(variant.allocator) and variant.allocator == self.run.allocator
        return replace(
            self.run,
            allocator=variant.allocator,
            tunables=(dict(self.run.tunables) if is_same else {}) | dict(variant.tunables),
            schedule=self.run.schedule if is_same else (),
        )


class Variant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is compared.

    Parameters
    ----------
    name : str
        For people; unique in a comparison.
    allocator : str
    tunables : mapping of str to Value
        On top of the work's own, if it is of the same allocator.
    """

    name: str
    allocator: str = DEFAULT_ALLOCATOR
    tunables: Mapping[str, Value] = {}


class ComparisonPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A comparison as it is declared before anything runs.

    Parameters
    ----------
    works : tuple of Work
    variants : tuple of Variant
        The first is the baseline.
    rounds : int
        In each, every variant does every work once, in random order.
    looks : int
        Number of analyses, at equal distances, the last one included; the rounds end early once every
        verdict is decided.
    seed : int
        Seed of the order; the work of round k has its own seed + k.
    samples_latency : bool
        Whether each round also has runs that time single calls.
    warmup : int
        Runs of each work under each variant, before the first round, that are not measured.
    ends_on_failure : bool
        Whether the first run that fails ends it; else the others go on.
    compares_output : bool
        Whether a command fails that writes something else than before, or than under another variant.
    looked : tuple of int
        Rounds after which it was concluded, before it was declared to go on.
    """

    works: tuple[Work, ...]
    variants: tuple[Variant, ...]
    rounds: int = 10
    looks: int = 1
    seed: int = 1
    samples_latency: bool = False
    warmup: int = 0
    ends_on_failure: bool = False
    compares_output: bool = False
    looked: tuple[int, ...] = ()

    @classmethod
    def from_dict(cls, content: object) -> Self:
        """Make one from what `to_dict` gave; BadParameter for what no comparison has."""
        return read_value(cls, content, "a comparison")

    def check(self) -> None:
        """See whether it can be run here.

        Raises
        ------
        WrongPlan, OutOfRange
            If there is too little to compare, or a name stands twice.
        WorkbenchError
            As `Run.check`, for any of its runs.
        """
        if not self.works:
            raise WrongPlan("a comparison needs a workload; name at least one")
        if len(self.variants) < 2:
            raise WrongPlan("a comparison needs two variants; name allocators or settings to compare")
        check_names("workload", self.works)
        check_names("variant", self.variants)
        if not 1 <= self.rounds <= _MOST_ROUNDS:
            raise OutOfRange(f"rounds: {self.rounds} is not within 1 to {_MOST_ROUNDS}")
        if not 1 <= self.looks <= self.rounds:
            raise OutOfRange(f"looks: {self.looks} is not within 1 to the {self.rounds} rounds")
        if not 0 <= self.warmup <= _MOST_ROUNDS:
            raise OutOfRange(f"warmup: {self.warmup} is not within 0 to {_MOST_ROUNDS}")
        names = [measure.name for measure in self.measures]
        for name in names:
            if names.count(name) > 1:
                raise WrongPlan(f"figure {name}: another figure or a measure has this name; give another one")
        for work in self.works:
            for variant in self.variants:
                # Before a round is made up: that needs values that make sense.
                work.make_run(variant).check()
        for cell in self.list_round(0):
            cell.run.check()

    @property
    def measures(self) -> list[Measure]:
        """What is compared: `MEASURES`, and the figures of its commands."""
        figures = [figure_measure(one) for work in self.works for one in work.run.figures]
        return list(dict.fromkeys((*MEASURES, *figures)))

    def list_round(self, number: int) -> list[Cell]:
        """The runs of a round in their random order: works shuffled, and variants within each."""
        order = random.Random(f"{self.seed} {number}")
        cells = []
        for work in order.sample(self.works, len(self.works)):
            variants = order.sample(self.variants, len(self.variants))
            for is_latency in (False, True) if self.samples_latency and not work.run.command else (False,):
                cells += [
                    Cell(work.name, variant.name, number, self._make_run(work, variant, number, is_latency))
                    for variant in variants
                ]
        return cells

    def list_cells(self) -> Iterator[Cell]:
        """The runs of all rounds, in their order."""
        for number in range(self.rounds):
            yield from self.list_round(number)

    def list_looks(self) -> list[int]:
        """After how many rounds it is looked at; the last is the end."""
        if self.looked:
            return [*self.looked, self.rounds]
        return [-(-self.rounds * look // self.looks) for look in range(1, self.looks + 1)]

    def find_risk(self, rounds: int) -> float | None:
        """Risk of a wrong verdict after so many rounds; None where nobody is to look.

        Between two looks nobody may judge: who stops when the figures please decides what they say. A look
        that was not planned has half of the risk of the one before: all together never have twice the risk.
        """
        looks = self.list_looks()
        if rounds not in looks:
            return None
        place = looks.index(rounds)
        return VERDICT_RISK / 2**place if self.looked else spend_risk(place + 1, self.looks)

    def to_dict(self) -> dict[str, Any]:
        """The declaration as plain values."""
        plain: dict[str, Any] = msgspec.structs.asdict(self)
        plain["works"] = [{"name": work.name, "trial": work.run.to_dict()} for work in self.works]
        plain["looked"] = list(self.looked)
        plain["variants"] = [msgspec.structs.asdict(one) for one in self.variants]
        return {name: value for name, value in plain.items() if value or name not in _OPTIONS}

    def _make_run(self, work: Work, variant: Variant, number: int, is_latency: bool) -> Run:
        run = work.make_run(variant)
        # Variants of the same content, however they are written, are told apart by the number of the repeat.
        before = self.variants[: self.variants.index(variant)]
        condition = run.resolve().condition
        copy = sum(work.make_run(other).resolve().condition == condition for other in before)
        return replace(
            run,
            seed=run.seed + number,
            round=number + copy * self.rounds,
            samples_latency=is_latency,
        )


@dataclass(frozen=True)
class Cell:
    """A run at its place in a comparison: of which work, variant and round."""

    work: str
    variant: str
    round: int
    run: Run


def check_names(what: str, things: Iterable[Work | Variant]) -> None:
    """Raise a WrongPlan if two have one name."""
    names = [thing.name for thing in things]
    for name in names:
        if names.count(name) > 1:
            raise WrongPlan(f"{what} '{name}' stands twice; give each a name of its own")
