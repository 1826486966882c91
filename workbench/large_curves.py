"""What a cache of large blocks would hit if it kept more bytes or fewer, or for a longer or shorter time.

The figures come from a trace (`workbench.traces.whatif`) or from a process whose allocator keeps count
(`workbench.control.large_ghosts`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.display import Displayed
from workbench.table import Table
from workbench.units import format_rough

#: A miss maps a block, and one that had to leave is unmapped.
_CALLS_A_MISS = 2
_FEW_LOOKUPS = 100
# A setting is better if so many more lookups hit; as good if at most so many fewer do. Shares of lookups.
_BETTER, _AS_GOOD = 0.01, 0.001
_MIB = 1 << 20
_COLUMNS = {"max_mib": float, "delay_ms": float, "hit_rate": float, "held_mib": float}


def make_surface(rows: Iterable[tuple[float, float, float, float]]) -> pd.DataFrame:
    """Make the frame of `LargeWhatIf.surface`, with its types even if there are no rows."""
    return pd.DataFrame(list(rows), columns=list(_COLUMNS)).astype(_COLUMNS)


@dataclass(frozen=True)
class LargePoint:
    """A setting of the cache, and what is known of it.

    Parameters
    ----------
    max_mib, delay_ms : float
        What it may keep, and for how long; infinite: for ever.
    hit_rate, held_mib : float
        What came, and what it held on average; NaN if it did not run.
    """

    max_mib: float
    delay_ms: float
    hit_rate: float = math.nan
    held_mib: float = math.nan


@dataclass(frozen=True)
class LargeWhatIf(Displayed):
    """Hits of a cache of large blocks by the bytes that it may keep, and for how long it keeps them idle.

    Parameters
    ----------
    surface : DataFrame
        A row for each size and delay: max_mib, delay_ms (infinite: for ever), hit_rate (of lookups) and
        held_mib (on average, if blocks are kept for ever).
    lookups : float
        Large allocations in the time.
    seconds : float
    today : LargePoint
        The settings in force, and what the real cache did.
    title, size_tunable, delay_tunable : str
        What the allocator calls the cache and its two settings.
    """

    surface: pd.DataFrame
    lookups: float
    seconds: float
    today: LargePoint
    title: str
    size_tunable: str
    delay_tunable: str

    def foretell(self, max_mib: float, delay_ms: float) -> float:
        """The hit rate at any setting, straight between the sizes and delays that were counted."""
        table = self.surface.pivot_table(index="max_mib", columns="delay_ms", values="hit_rate")
        sizes, delays = table.index.to_numpy(float), table.columns.to_numpy(float)
        finite = np.isfinite(delays)
        if math.isinf(delay_ms):
            of_size = table.to_numpy()[:, -1]
        else:  # what lies idle for longer than the longest delay counted is lost
            steps, rates = np.append(0.0, delays[finite]), table.to_numpy()[:, finite]
            of_size = np.array([np.interp(delay_ms, steps, np.append(0.0, row)) for row in rates])
        return float(np.interp(max_mib, np.append(0.0, sizes), np.append(0.0, of_size)))

    def count_calls(self, hit_rate: float) -> float:
        """About how many system calls a second map and unmap blocks at a hit rate."""
        return _CALLS_A_MISS * (1 - hit_rate) * self.lookups / max(self.seconds, 1e-9)

    @property
    def by_size(self) -> pd.DataFrame:
        """At today's delay, a row a size: max_mib, hit_rate, map_calls (a second), held_mib, is_today."""
        rows = self.surface.groupby("max_mib", as_index=False)["held_mib"].max()
        rates = [self.foretell(size, self.today.delay_ms) for size in rows["max_mib"]]
        return self._complete(rows.assign(hit_rate=rates), "max_mib", self.today.max_mib)

    @property
    def by_delay(self) -> pd.DataFrame:
        """At today's size, a row a delay: delay_ms, hit_rate, map_calls (a second), is_today."""
        rows = pd.DataFrame({"delay_ms": sorted(self.surface["delay_ms"].unique())})
        rates = [self.foretell(self.today.max_mib, delay) for delay in rows["delay_ms"]]
        return self._complete(rows.assign(hit_rate=rates), "delay_ms", self.today.delay_ms)

    def _complete(self, rows: pd.DataFrame, column: str, today: float) -> pd.DataFrame:
        near = rows[column][rows[column] <= today].max()
        return rows.assign(map_calls=rows["hit_rate"].map(self.count_calls), is_today=rows[column] == near)

    @property
    def advice(self) -> str:
        """What to do, in one sentence."""
        today = self.today
        if self.lookups < _FEW_LOOKUPS:
            return f"large allocations: {self.lookups:.0f}, too few to advise"
        expected = self.foretell(today.max_mib, today.delay_ms)
        came = expected if math.isnan(today.hit_rate) else today.hit_rate
        for_ever = self.foretell(today.max_mib, math.inf)
        if came < for_ever - _BETTER and today.delay_ms != math.inf and came < expected - _BETTER:
            return (
                f"{self.delay_tunable}=-1 keeps also what a burst gives back: "
                f"{self._compare(for_ever, came)}; "
                f"{format_rough(today.held_mib * _MIB, 'bytes')} are held today"
            )
        longer = self._find_knee(self.by_delay, "delay_ms", today.delay_ms, expected)
        larger = self._find_knee(self.by_size, "max_mib", today.max_mib, expected)
        if longer is not None and (larger is None or longer[1] > larger[1]):
            value = -1 if math.isinf(longer[0]) else round(longer[0])
            return f"{self.delay_tunable}={value} is worth it: {self._compare(longer[1], expected)}"
        if larger is not None:
            value = round(larger[0] * _MIB)
            return f"{self.size_tunable}={value} is worth it: {self._compare(larger[1], expected)}"
        sizes = self.by_size
        enough = sizes[sizes["hit_rate"] >= expected - _AS_GOOD]["max_mib"].min()
        held = sizes["held_mib"].max() if math.isnan(today.held_mib) else today.held_mib
        if enough < min(held, today.max_mib):
            value = round(enough * _MIB)
            return (
                f"{self.size_tunable}={value} is enough: as many hit with {format_rough(value, 'bytes')} "
                f"as with the {format_rough(held * _MIB, 'bytes')} that are held today"
            )
        return f"keep it: no other size or delay hits {100 * _BETTER:.0f} % more, and no smaller size as many"

    def _find_knee(
        self, rows: pd.DataFrame, column: str, today: float, expected: float
    ) -> tuple[float, float] | None:
        """The least larger setting with nine tenths of what the largest gains, and its hit rate."""
        above = rows[rows[column] > today]
        if above.empty or above["hit_rate"].max() < expected + _BETTER:
            return None
        wanted = expected + 0.9 * (above["hit_rate"].max() - expected)
        best = above[above["hit_rate"] >= wanted].iloc[0]
        return float(best[column]), float(best["hit_rate"])

    def _compare(self, then: float, now: float) -> str:
        saved = self.count_calls(now) - self.count_calls(then)
        return (
            f"{100 * then:.3g} % hit instead of {100 * now:.3g} %, "
            f"{format_rough(saved)} map calls a second fewer"
        )

    def to_dict(self) -> dict[str, object]:
        """All of it as plain data; a delay of null is for ever."""
        frames = {}
        for name in ("surface", "by_size", "by_delay"):
            frame = getattr(self, name)
            frames[name] = [
                {key: _make_plain(value) for key, value in row.items()} for row in frame.to_dict("records")
            ]
        today = {name: _make_plain(getattr(self.today, name)) for name in _COLUMNS}
        return frames | {
            "lookups": self.lookups,
            "seconds": self.seconds,
            "today": today,
            "size_tunable": self.size_tunable,
            "delay_tunable": self.delay_tunable,
            "advice": self.advice,
        }

    def to_table(self) -> Table:
        """By size."""
        return self.tabulate()[0]

    def tabulate(self) -> list[Table]:
        """A line for each size, and one for each delay; the advice stands below."""
        today, columns = self.today, self._columns()
        rate = "" if math.isnan(today.hit_rate) else f"; today {100 * today.hit_rate:.3g} % hit"
        limit = format_rough(today.max_mib * _MIB, "bytes")
        told = f"{format_rough(self.lookups)} lookups in {self.seconds:.3g} s{rate}"
        sizes = {
            self.size_tunable: lambda row: format_rough(row.max_mib * _MIB, "bytes"),
            **columns,
            "held": lambda row: format_rough(row.held_mib * _MIB, "bytes"),
        }
        delays = {self.delay_tunable: lambda row: _tell_delay(row.delay_ms), **columns}
        return [
            Table.of(
                rows.itertuples(),
                {**cells, "": lambda row: "today" if row.is_today else ""},
                right=list(cells),
                dropped=("held",),
                caption=caption,
                notes=notes,
            )
            for rows, cells, caption, notes in (
                (
                    self.by_size,
                    sizes,
                    f"\n{self.title}, if it kept so much for {_tell_delay(today.delay_ms)}: {told}",
                    (),
                ),
                (
                    self.by_delay,
                    delays,
                    f"\n{self.title}, if it kept {limit} idle for so long",
                    (self.advice,),
                ),
            )
        ]

    def _columns(self) -> dict[str, Callable[[Any], object]]:
        return {
            "hit rate": lambda row: f"{100 * row.hit_rate:.3g} %",
            "map calls/s": lambda row: format_rough(row.map_calls),
        }


def _tell_delay(delay_ms: float) -> str:
    return "for ever" if math.isinf(delay_ms) else format_rough(delay_ms, "ms")


def _make_plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
