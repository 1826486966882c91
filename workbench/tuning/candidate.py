"""A candidate of a study, as the storage tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.allocators import get_allocator
from workbench.control import Value
from workbench.experiments import Ratio

if TYPE_CHECKING:
    import optuna

#: Number of the defaults where that of a candidate stands.
DEFAULTS = -1
_FINISHED = ("better", "not better", "pruned", "dominated", "failed", "repeated")


@dataclass(frozen=True)
class Candidate:
    """Settings that were tried, or are being tried.

    Parameters
    ----------
    number : int
        From 0 on, in the order in which they were asked for.
    settings : mapping of str to Value
    outcome : str
        "queued", "running"; "better" (than what it ran against), "not better", "pruned" (cannot beat it),
        "dominated" (stopped: cannot reach the front), "failed", "repeated" (tried before).
    reason : str
        Why it failed, or what it repeats.
    against : int
        Number of the candidate that it ran in pairs with; `DEFAULTS` for the defaults.
    pairs : int
        That count.
    ratios : tuple of (float, float, float)
        To that one: estimate and 95 % interval, an objective each.
    values : tuple of float
        To the defaults, an objective each, carried over from what it ran against; empty without pairs.
    is_injected : bool
        Whether somebody gave it.
    """

    number: int
    settings: Mapping[str, Value]
    outcome: str
    reason: str = ""
    against: int = DEFAULTS
    pairs: int = 0
    ratios: tuple[tuple[float, float, float], ...] = ()
    values: tuple[float, ...] = ()
    is_injected: bool = False
    owner: str = field(default="", repr=False)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more is done about it."""
        return self.outcome in _FINISHED

    @property
    def name(self) -> str:
        """Write "trial 7"."""
        return name_candidate(self.number)


def name_candidate(number: int) -> str:
    """Write "trial 7", or "defaults"."""
    return "defaults" if number == DEFAULTS else f"trial {number}"


def keep(trial: optuna.trial.Trial, **fields: object) -> None:
    """Keep fields of a candidate, under their names, beside what Optuna keeps of its trial."""
    for name, value in fields.items():
        trial.set_user_attr(name, value)


def keep_ratios(trial: optuna.trial.Trial, ratios: tuple[Ratio, ...]) -> None:
    """Keep ratios; where an interval has no end, it is the largest number that JSON has."""
    kept = [
        {"estimate": one.estimate, "low": one.low, "high": min(one.high, 1e300), "pairs": one.pairs}
        for one in ratios
        if one.pairs
    ]
    keep(trial, ratios=kept)


def read_candidate(frozen: optuna.trial.FrozenTrial) -> Candidate:
    """The candidate that a trial of Optuna's is."""
    kept: dict[str, Any] = {"settings": {}, "outcome": "failed"} | frozen.user_attrs
    ratios = kept.pop("ratios", [])
    outcome = {"WAITING": "queued", "RUNNING": "running"}.get(frozen.state.name, kept.pop("outcome"))
    values = tuple(kept.pop("values", ()))
    return Candidate(
        number=frozen.number,
        outcome=outcome,
        pairs=max((one["pairs"] for one in ratios), default=0),
        ratios=tuple((one["estimate"], one["low"], one["high"]) for one in ratios),
        values=values,
        **kept,
    )


def format_settings(settings: Mapping[str, Value], allocator: str) -> str:
    """Write settings of an allocator with their units: "NAME=60 %, NAME=512 slots"."""
    known = get_allocator(allocator).tunables
    return ", ".join(f"{name}={known[name].format(value)}" for name, value in settings.items())
