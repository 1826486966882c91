"""What-if curves: what thread caches of other capacities would do, and what that advises.

The curves come from a trace (`workbench.traces.whatif`) or from a process whose allocator keeps count
(`workbench.control.ghosts`). An *exchange* is a refill or a flush of a thread's cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.display import Displayed
from workbench.large_curves import LargeWhatIf
from workbench.table import Table
from workbench.units import format_rough

#: A curve's knee is the least capacity that saves this share of what the largest one saves.
KNEE_SHARE = 0.9
# A class should grow if it saves the first share of all exchanges, shrink if it costs at most the second.
_WORTH_SHARE, _CHEAP_SHARE = 0.01, 0.001
_CLASS = ["allocator", "block_bytes"]


_COLUMNS = {
    "allocator": str,
    "block_bytes": int,
    "slots": float,
    "exchanges": float,
    "held_kib": float,
    "is_today": bool,
    "is_foretold": bool,
    "standard_error": float,
}


def make_curves(rows: Iterable[tuple[object, ...]]) -> pd.DataFrame:
    """Make the frame of `WhatIf.curves`, with its types even if there are no rows."""
    return pd.DataFrame(list(rows), columns=list(_COLUMNS)).astype(_COLUMNS)


@dataclass(frozen=True)
class WhatIf(Displayed):
    """Curves of exchanges against the memory that thread caches hold.

    Parameters
    ----------
    curves : DataFrame
        A row for each allocator, size class and capacity: allocator, block_bytes (of the class), slots (of
        one thread's cache), exchanges (refills and flushes, by all threads), held_kib (in all caches, on
        average), is_today (what the caches have now, or begin with), is_foretold (False: counted),
        standard_error (of exchanges, if they are estimated from samples; or else 0).
    seconds : float
        The time in which so many exchanges happen.
    notes : tuple of str
        What else a reader has to know.
    large : LargeWhatIf, optional
        The same of the cache of large blocks, if the allocator has one whose copies count.
    """

    curves: pd.DataFrame
    seconds: float
    notes: tuple[str, ...] = ()
    large: LargeWhatIf | None = None

    @property
    def allocators(self) -> list[str]:
        """Whose caches are foretold."""
        return list(self.curves["allocator"].unique())

    @property
    def advice(self) -> pd.DataFrame:
        """A row for each class, those with most exchanges first, then those with most in small caches.

        allocator, block_bytes, slots, exchanges and held_kib of today; grow_slots and saved_per_kib: where
        a KiB more saves most exchanges; shrink_slots and lost_per_kib: where a KiB less costs fewest; advice.
        """
        rows = []
        for _, own in self.curves.groupby("allocator", sort=False):
            # Less than one exchange a second is nothing, however few there are in all.
            all_exchanges = max(float(own["exchanges"][own["is_today"]].sum()), self.seconds / _WORTH_SHARE)
            largest = own.groupby("block_bytes")["exchanges"].max()
            for block_bytes in largest.sort_values(ascending=False, kind="stable").index:
                found = _advise(own[own["block_bytes"] == block_bytes], all_exchanges)
                rows += [] if found is None else [found]
        frame = pd.DataFrame(rows, columns=_ADVICE_COLUMNS)
        order = ["allocator", "exchanges"]
        return frame.sort_values(order, ascending=[True, False], kind="stable", ignore_index=True)

    @property
    def totals(self) -> pd.DataFrame:
        """All classes of an allocator together, if each has so many slots, or as many as it can have."""
        rows = []
        for name, own in self.curves[self.curves["is_foretold"]].groupby("allocator", sort=False):
            steps = own["slots"].astype(int)
            is_step = (steps & (steps - 1)) == 0  # what caches begin with may differ from class to class
            if own["slots"][own["is_today"]].nunique() == 1:
                is_step |= own["is_today"]
            for slots in sorted(steps[is_step].unique()):
                fitting = own[steps <= slots].sort_values("slots").groupby("block_bytes").tail(1)
                error = math.hypot(*fitting["standard_error"])
                rows.append((name, slots, fitting["exchanges"].sum(), fitting["held_kib"].sum(), error))
        return pd.DataFrame(rows, columns=["allocator", "slots", "exchanges", "held_kib", "standard_error"])

    def find_savings(self, allocator: str) -> dict[int, float]:
        """Which share of what can be saved each number of slots saves; the smallest number saves nothing."""
        own = self.totals[self.totals["allocator"] == allocator]
        most, least = own["exchanges"].max(), own["exchanges"].min()
        shares = (most - own["exchanges"]) / max(most - least, 1e-9)
        return dict(zip(own["slots"].astype(int), shares.astype(float), strict=True))

    def find_knee(self, allocator: str) -> int:
        """The least number of slots that saves 90 % of what the largest saves; 0 if there are none."""
        shares = self.find_savings(allocator)
        return next((slots for slots, share in shares.items() if share >= KNEE_SHARE), 0)

    def to_dict(self) -> dict[str, object]:
        """All of it as plain data."""
        frames = {name: getattr(self, name).to_dict("records") for name in ("curves", "totals", "advice")}
        knees = {name: self.find_knee(name) for name in self.allocators}
        large = None if self.large is None else self.large.to_dict()
        return {"seconds": self.seconds, "notes": self.notes, "knees": knees, "large": large} | frames

    def tabulate(self, rows: int) -> list[Table]:
        """The totals and the advice of each allocator, and what is told of large blocks."""
        tables = [
            table
            for name in self.allocators
            for table in (self.tabulate_totals(name), self.tabulate_advice(name, rows))
        ]
        return tables if self.large is None else [*tables, *self.large.tabulate()]

    def to_table(self) -> Table:
        """The advice of the first allocator."""
        return self.tabulate_advice(self.allocators[0], 12) if self.allocators else Table((), [])

    def tabulate_advice(self, allocator: str, rows: int, *, per_second: bool = False) -> Table:
        """A line for each class of an allocator, those with most exchanges first."""
        seconds = max(self.seconds, 1e-9) if per_second else 1.0
        advice = self.advice
        own = advice[advice["allocator"] == allocator]
        more = len(own) - rows
        notes = [f"and {more} more"] if more > 0 else []
        columns = {
            "class": lambda row: format_rough(row.block_bytes, "bytes"),
            "slots": lambda row: f"{row.slots:.0f}",
            "exchanges/s" if per_second else "exchanges": lambda row: format_rough(row.exchanges / seconds),
            "held": lambda row: format_rough(1024 * row.held_kib, "bytes"),
            "a KiB more saves": lambda row: _tell_rate(row.saved_per_kib / seconds),
            "a KiB less costs": lambda row: _tell_rate(row.lost_per_kib / seconds),
            "advice": lambda row: row.advice,
        }
        return Table.of(
            own.head(rows).itertuples(),
            columns,
            right=list(columns)[:-1],
            wrapped=("advice",),
            dropped=("held", "slots"),
            caption=f"\n{allocator}: size classes with most exchanges, in {self.seconds:.3g} s",
            notes=notes,
        )

    def tabulate_totals(self, allocator: str) -> Table:
        """A line for each number of slots, if the caches of all classes have so many."""
        totals = self.totals
        own, knee = totals[totals["allocator"] == allocator], self.find_knee(allocator)
        first = max(1.0, float(own["exchanges"].iloc[0])) if len(own) else 1.0
        columns = {
            "slots": lambda row: row.slots,
            "exchanges": lambda row: format_rough(row.exchanges),
            "standard error": lambda row: _tell_error(row.standard_error, row.exchanges),
            "of the first": lambda row: f"{100 * row.exchanges / first:.3g} %",
            "held": lambda row: format_rough(1024 * row.held_kib, "bytes"),
            "": lambda row: "saves 90 % of what can be saved" if row.slots == knee else "",
        }
        return Table.of(
            own.itertuples(),
            columns,
            right=list(columns)[:-1],
            dropped=("", "standard error"),
            caption=f"\n{allocator}: if all caches have so many slots, in {self.seconds:.3g} s",
        )


_ADVICE_COLUMNS = [
    *_CLASS, "slots", "exchanges", "held_kib", "grow_slots", "saved_per_kib", "shrink_slots", "lost_per_kib",
    "advice",
]  # fmt: skip


def _advise(rows: pd.DataFrame, all_exchanges: float) -> dict[str, Any] | None:
    """What one class should do; None if nothing is known of it today."""
    if not rows["is_today"].any():
        return None
    today = rows[rows["is_today"]].iloc[0]
    least_kib = float(today["block_bytes"]) / 1024
    larger = rows[(rows["slots"] > today["slots"]) & rows["is_foretold"]]
    smaller = rows[(rows["slots"] < today["slots"]) & rows["is_foretold"]]
    saved = (today["exchanges"] - larger["exchanges"]) / (larger["held_kib"] - today["held_kib"]).clip(
        lower=least_kib
    )
    lost = (smaller["exchanges"] - today["exchanges"]) / (today["held_kib"] - smaller["held_kib"]).clip(
        lower=least_kib
    )
    grow, shrink = (int(saved.idxmax()) if len(saved) else None), (int(lost.idxmin()) if len(lost) else None)
    row = {name: today[name] for name in (*_CLASS, "slots", "exchanges", "held_kib")}
    row |= {
        "grow_slots": 0 if grow is None else int(larger["slots"][grow]),
        "saved_per_kib": 0.0 if grow is None else max(0.0, float(saved[grow])),
        "shrink_slots": 0 if shrink is None else int(smaller["slots"][shrink]),
        "lost_per_kib": math.inf if shrink is None else max(0.0, float(lost[shrink])),
        "advice": "keep",
    }
    if grow is not None and today["exchanges"] - larger["exchanges"][grow] >= _WORTH_SHARE * all_exchanges:
        row["advice"] = _tell("grow", larger.loc[grow], today)
    elif (
        shrink is not None
        and smaller["exchanges"][shrink] - today["exchanges"] <= _CHEAP_SHARE * all_exchanges
        and smaller["held_kib"][shrink] <= 0.9 * today["held_kib"]
    ):
        row["advice"] = _tell("shrink", smaller.loc[shrink], today)
    return row


def _tell(what: str, then: pd.Series, today: pd.Series) -> str:
    change_kib = abs(then["held_kib"] - today["held_kib"])
    exchanges = 100 * (then["exchanges"] / today["exchanges"] - 1) if today["exchanges"] else 0.0
    direction = "more" if what == "grow" else "less"
    return f"{what} to {then['slots']:.0f}: {exchanges:+.3g} % exchanges, {change_kib:.3g} KiB {direction}"


def _tell_error(error: float, exchanges: float) -> str:
    return f"{100 * error / exchanges:.2g} %" if error and exchanges else ""


def _tell_rate(exchanges_per_kib: float) -> str:
    return "" if math.isinf(exchanges_per_kib) else format_rough(exchanges_per_kib)
