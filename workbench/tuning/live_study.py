"""A study of a running process as it is declared, and what came of it: values that are kept in a folder."""

from __future__ import annotations

import math
import os
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from workbench.control import Value
from workbench.display import Displayed
from workbench.errors import OutOfRange, WrongPlan
from workbench.experiments import Effect, JudgedProbe, LivePlan, LiveResult
from workbench.experiments.live_result import INTERRUPTED, read_saved, save_value, spell_settings
from workbench.experiments.terms import LEAST_CHANGES, TIME_OVER
from workbench.table import Table
from workbench.tuning.space import Bounds

if TYPE_CHECKING:
    import pandas as pd

_FILE = "study.json"
_SEED_BITS = 31
_HOUR_S = 3600.0
MOST_CANDIDATES = 1000
#: Number of what the process had before, where that of a trial stands.
BEFORE = -1

Outcome = Literal["better", "not better", "pruned", "failed", "ended early"]


@dataclass(frozen=True)
class LiveStudyPlan:
    """A study of a running process or group as it is declared.

    Parameters
    ----------
    search : mapping of str to Bounds or tuple of Value
        Tunables, with the range or the values that may be tried.
    candidates : int
        How many settings are tried at most.
    a : mapping of str to Value
        What the process has before, where that is not what it tells.
    most_changes_per_hour : int
        How often its settings may change.
    hours : float
        Length of the whole study at most, with the final comparison.
    blocks, block_s, wash_out_s, looks, seed, guards, period_s
        Those of each experiment, as in `LivePlan`.
    """

    search: Mapping[str, Bounds | tuple[Value, ...]]
    candidates: int = 12
    a: Mapping[str, Value] = field(default_factory=dict)
    most_changes_per_hour: int = 300
    hours: float = 4.0
    blocks: int = 40
    block_s: float = 20.0
    wash_out_s: float = 2.0
    looks: int = 1
    seed: int = 1
    guards: tuple[str, ...] = ()
    period_s: float | None = None

    def check(self) -> None:
        """See whether it has room for a candidate and the final comparison; OutOfRange, WrongPlan if not."""
        for name, value, least, most in (
            ("candidates", self.candidates, 1, MOST_CANDIDATES),
            ("most_changes_per_hour", self.most_changes_per_hour, LEAST_CHANGES, 1_000_000),
        ):
            if not least <= value <= most:
                raise OutOfRange(f"{name}: {value} is not within {least} to {most}")
        self.compare({}, {}, 0).design.check()
        wanted = 2 * self.comparison_s / _HOUR_S
        if not self.hours >= wanted:
            raise WrongPlan(
                f"hours: {self.hours:g} leave no room for a candidate and the final comparison; give at "
                f"least {math.ceil(100 * wanted) / 100:g}, or fewer or shorter blocks"
            )

    @property
    def comparison_s(self) -> float:
        """Length of the blocks of an experiment that is not ended early."""
        return self.blocks * self.block_s

    @property
    def length_s(self) -> float:
        """Length of the whole study at most."""
        return self.hours * _HOUR_S

    def compare(self, a: Mapping[str, Value], b: Mapping[str, Value], number: int) -> LivePlan:
        """The experiment of this number, with coins of its own."""
        seed = random.Random(f"live study {self.seed} {number}").getrandbits(_SEED_BITS)
        blocks = self.blocks, self.block_s, self.wash_out_s
        return LivePlan(a, b, *blocks, self.looks, seed, guards=self.guards, period_s=self.period_s)


@dataclass(frozen=True)
class LiveTrial:
    """Settings that were tried.

    Parameters
    ----------
    number : int
        From 0 on.
    outcome : str
        "better" than what it ran against, whose place it took; "not better"; "pruned" since it cannot be;
        "failed"; "ended early", with the study.
    against : int
        Number of the trial that it ran against; `BEFORE` for what the process had before.
    result : LiveResult or None
        The experiment: A is what it ran against, B these settings.
    value : float or None
        Ratio to what the process had before, carried over from what it ran against; None if unknown.
    reason : str
        Why it failed or ended early.
    """

    number: int
    settings: Mapping[str, Value]
    outcome: Outcome
    against: int = BEFORE
    result: LiveResult | None = None
    value: float | None = None
    reason: str = ""


@dataclass(frozen=True, repr=False)
class LiveStudy(Displayed):
    """What came of a study of a running process.

    Parameters
    ----------
    objective : JudgedProbe
        What was tuned for.
    before : mapping of str to Value
        What the process had before, and has afterwards.
    confirmation : LiveResult or None
        The fresh comparison of what won (B) with what the process had before (A).
    ended : str
        Why it ended before all candidates were tried; empty if it did not.
    restored : str
        What it left behind.
    took_s : float
    is_kept : bool
        Whether the process was left with what is proposed.
    """

    plan: LiveStudyPlan
    target: str
    objective: JudgedProbe
    before: Mapping[str, Value]
    trials: tuple[LiveTrial, ...] = ()
    confirmation: LiveResult | None = None
    ended: str = ""
    restored: str = ""
    took_s: float = 0.0
    is_kept: bool = False

    @property
    def is_interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.ended == INTERRUPTED

    @property
    def is_out_of_time(self) -> bool:
        """Whether it ended since its time was over."""
        return self.ended == TIME_OVER

    @property
    def winner(self) -> LiveTrial | None:
        """The last trial that was better than what it ran against."""
        return next((one for one in reversed(self.trials) if one.outcome == "better"), None)

    @property
    def proposal(self) -> Mapping[str, Value]:
        """The winner's settings, if the fresh comparison says that they are better; else empty."""
        found = self.confirmation
        return found.plan.b if found is not None and is_better(found, self.objective) else {}

    def describe(self) -> list[str]:
        """What was tried, what it brought and what is proposed, in plain words."""
        counts = Counter(one.outcome for one in self.trials)
        told = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        minutes = f"{self.took_s / 60:.0f} min"
        words = [f"Tried for {self.objective.name} in {minutes}: {told or 'nothing'}."]
        if self.ended:
            words.append(f"The study ended early: {self.ended}.")
        words += self._describe_confirmation()
        left = f"{self.restored}." if self.restored else "Nothing is left changed."
        words.append("The process keeps it." if self.is_kept else left)
        return words

    def _describe_confirmation(self) -> list[str]:
        if self.winner is None:
            return ["Nothing is proposed: no settings were told better than what the process had before."]
        won = spell_settings(self.winner.settings)
        if self.confirmation is None:
            return [f"Nothing is proposed: {won} won, but was not compared with what the process had before."]
        found = self.confirmation
        seen = [
            f"{probe.name}: {found.word_effect(probe, effect)}"
            for probe, effect in zip(found.judged, found.effects.values(), strict=True)
        ]
        lines = [f"Fresh comparison of {won} with {spell_settings(self.before)}: {'; '.join(seen)}."]
        if not self.proposal:
            return [*lines, f"Nothing is proposed: that {won} is better was not confirmed."]
        return [*lines, f"Proposed: {won}."]

    def to_table(self) -> Table:
        """A row a trial."""
        rows = []
        for one in self.trials:
            effect = None if one.result is None else one.result.effects[self.objective.name]
            ratio = None if effect is None or not effect.ratio.pairs else effect.ratio
            interval = f"{ratio.estimate:.3f} ({ratio.low:.3f} to {ratio.high:.3f})" if ratio else ""
            against = "before" if one.against == BEFORE else f"trial {one.against}"
            pairs = str(ratio.pairs) if ratio else ""
            settings = spell_settings(one.settings)
            rows.append((str(one.number), settings, against, pairs, interval, one.outcome, one.reason))
        return Table(
            ("trial", "settings", "against", "pairs", "ratio, 95 % interval", "outcome", "reason"),
            rows,
            right=("trial", "pairs"),
            wrapped=("settings", "reason"),
            dropped=("pairs", "reason"),
            caption=f"{self.target}: {self.objective.name}, before: {spell_settings(self.before)}",
            notes=self.describe(),
        )

    def to_frame(self) -> pd.DataFrame:
        """A row a trial: outcome, pairs, ratio to what it ran against with its interval, settings."""
        import pandas as pd

        rows = []
        for one in self.trials:
            ratio = None if one.result is None else one.result.effects[self.objective.name].ratio
            rows.append(
                {
                    "number": one.number,
                    "outcome": one.outcome,
                    "against": one.against,
                    "pairs": ratio.pairs if ratio else 0,
                    "ratio": ratio.estimate if ratio else math.nan,
                    "low": ratio.low if ratio else math.nan,
                    "high": ratio.high if ratio else math.nan,
                    "to_before": math.nan if one.value is None else one.value,
                    **one.settings,
                    "reason": one.reason,
                }
            )
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        proposed = f"proposed {spell_settings(self.proposal)}" if self.proposal else "nothing proposed"
        return (
            f"<LiveStudy of {self.target}, {len(self.trials)} of {self.plan.candidates} trials: {proposed}>"
        )

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write it into a folder, the final comparison as an experiment of its own; what was there goes."""
        save_value(self, Path(folder) / _FILE)
        if self.confirmation is not None:
            self.confirmation.save(folder)

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self:
        """Read it from its folder; WrongResults if there is none."""
        return read_saved(cls, Path(folder) / _FILE, "live study")


def is_better(result: LiveResult, objective: JudgedProbe) -> bool:
    """Whether B is told better for the objective, and worse for no other probe of which that is known."""
    effects: Mapping[str, Effect] = result.effects
    told = {
        probe.name: effects[probe.name].ratio.verdict
        for probe in result.judged
        if probe.better and effects[probe.name].is_told
    }
    return result.is_whole and told.get(objective.name) == "better" and "worse" not in told.values()
