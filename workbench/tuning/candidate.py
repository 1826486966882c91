"""A candidate of a study, as the storage tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.allocators import get_allocator
from workbench.control import Value
from workbench.experiments import Ratio
from workbench.table import Table

if TYPE_CHECKING:
    import optuna

#: Number of the defaults where that of a candidate stands.
DEFAULTS = -1
#: Names of what is kept of a candidate beside Optuna's own fields.
OWNER, SETTINGS, OUTCOME, REASON, AGAINST, RATIOS, VALUES, IS_INJECTED = (
    "owner", "settings", "outcome", "reason", "against", "ratios", "values", "is_injected",
)  # fmt: skip
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


def read_candidate(frozen: optuna.trial.FrozenTrial) -> Candidate:
    """Take a candidate out of a trial of Optuna's."""
    kept = frozen.user_attrs
    state = frozen.state.name
    outcome = {"WAITING": "queued", "RUNNING": "running"}.get(state, kept.get(OUTCOME, "failed"))
    return Candidate(
        number=frozen.number,
        settings=dict(kept.get(SETTINGS, {})),
        outcome=outcome,
        reason=str(kept.get(REASON, "")),
        against=int(kept.get(AGAINST, DEFAULTS)),
        pairs=max((int(ratio["pairs"]) for ratio in kept.get(RATIOS, [])), default=0),
        ratios=tuple((ratio["estimate"], ratio["low"], ratio["high"]) for ratio in kept.get(RATIOS, [])),
        values=tuple(float(value) for value in kept.get(VALUES, [])),
        is_injected=bool(kept.get(IS_INJECTED, False)),
        owner=str(kept.get(OWNER, "")),
    )


def write_ratios(ratios: tuple[Ratio, ...]) -> list[dict[str, Any]]:
    """Ratios as the storage keeps them; without an end of an interval, the widest number that JSON has."""
    return [
        {
            "estimate": ratio.estimate,
            "low": ratio.low,
            "high": min(ratio.high, 1e300),
            "pairs": ratio.pairs,
        }
        for ratio in ratios
        if ratio.pairs
    ]


def format_settings(settings: Mapping[str, Value], allocator: str) -> str:
    """Write settings of an allocator with their units: "NAME=60 %, NAME=512 slots"."""
    known = get_allocator(allocator).tunables
    return ", ".join(f"{name}={known[name].format(value)}" for name, value in settings.items())


def tabulate_candidates(
    candidates: Sequence[Candidate],
    objectives: Sequence[str],
    allocator: str,
    caption: str,
    notes: Sequence[str] = (),
) -> Table:
    """A row a candidate, with its ratios to the defaults."""
    return Table(
        ("trial", "outcome", "pairs", *objectives, "settings", "reason"),
        [
            (
                str(one.number),
                one.outcome,
                str(one.pairs or ""),
                *(f"{value:.3f}" for value in one.values or ()),
                *[""] * (0 if one.values else len(objectives)),
                format_settings(one.settings, allocator),
                one.reason,
            )
            for one in candidates
        ],
        right=("trial", "pairs"),
        wrapped=("settings", "reason"),
        dropped=("reason", "pairs", "outcome"),
        caption=caption,
        notes=notes,
    )
