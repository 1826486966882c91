"""How far a repetition agrees with the session it repeats.

Event for event where that must be (`explain_inexactness`): every event's kind, cause, item, values and
the thread's count of operations, in order. Times and thread numbers are of the run and not compared.

Otherwise within intervals, computed from the first session alone:

- *throughput*: its operations over its time are cut into ten equal spans; the interval is their mean
  times or divided by the 95 % spread of one further such mean (Student's t of the logarithms, for two
  means of ten), and never narrower than 10 %, which two runs on a shared machine differ by anyway. A
  session too short for ten spans gives half to double.
- *probes*: the mean of its curve is compared with the lowest and highest mean of ten equal spans of the first
  session's, and 10 % beyond. What it reads need not be of the run alone, so it is told and does not decide.
- *capacities*: of each line of slots, buckets or shards the lowest to highest value over its last fifth,
  and one doubling or halving beyond: that is one decision.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from workbench.sessions.layout import name_sample_column
from workbench.sessions.recorder import Column
from workbench.sessions.repetition import explain_inexactness
from workbench.sessions.session import Session

if TYPE_CHECKING:
    import pandas as pd

SPANS = 10
LAST_SHARE = 0.2
LEAST_SPREAD = 0.10
SHORT_FACTOR = 2.0
CAPACITY_UNITS = ("slots", "buckets", "shards")
_EVENT_COLUMNS = ("kind", "cause", "item", "operation", "old_value", "new_value")


@dataclass(frozen=True)
class Figure:
    """One figure of both sessions. `low` to `high` is the interval it should be in; all in `unit`."""

    name: str
    unit: str
    original: float
    repeated: float
    low: float
    high: float

    @property
    def agrees(self) -> bool:
        """Whether the repetition is within the interval."""
        return self.low <= self.repeated <= self.high


@dataclass(frozen=True)
class Agreement:
    """What `compare_sessions` found.

    Parameters
    ----------
    inexactness : tuple of str
        Why the two need not be the same event for event; empty if they must be.
    events : int
        How many of the first session's events were compared.
    difference : str
        The first event that differs, in words; empty if none does.
    figures : tuple of Figure
        Throughput and final capacities.
    probes : tuple of Figure
        Means of the probes' curves.
    unread : tuple of str
        Probes that could not be compared, and why.
    """

    inexactness: tuple[str, ...]
    events: int
    difference: str
    figures: tuple[Figure, ...]
    probes: tuple[Figure, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def is_exact(self) -> bool:
        """Whether they are the same event for event."""
        return not self.difference and self.events > 0

    @property
    def agrees(self) -> bool:
        """Event for event where that must be, else within the intervals."""
        if not self.inexactness:
            return self.is_exact
        return all(figure.agrees for figure in self.figures)

    def describe(self) -> str:
        """The verdict in a few lines."""
        if self.inexactness:
            lines = [f"not comparable event for event: {'; '.join(self.inexactness)}"]
            lines += _list_outside(self.figures) or [f"all {len(self.figures)} figures are within their intervals"]
        elif self.is_exact:
            lines = [f"the same, event for event: {self.events} events at the same counts of operations"]
        else:
            lines = [f"NOT the same: {self.difference}"]
        return "\n".join([*lines, *_list_outside(self.probes), *self.unread])

    def to_frame(self) -> pd.DataFrame:
        """The figures, one a row; values in the column `unit`'s unit."""
        import pandas as pd

        rows = [(*astuple(figure), figure.agrees) for figure in (*self.figures, *self.probes)]
        names = ["figure", "unit", "original", "repeated", "low", "high", "agrees"]
        return pd.DataFrame(rows, columns=names).set_index("figure")


def _list_outside(figures: Iterable[Figure]) -> list[str]:
    return [
        f"outside its interval: {figure.name} {figure.repeated:.4g} {figure.unit}, "
        f"expected {figure.low:.4g} to {figure.high:.4g}"
        for figure in figures
        if not figure.agrees
    ]


def compare_sessions(original: Session, repeated: Session) -> Agreement:
    """Compare a repetition with the session it repeats; DamagedSession if either cannot be read."""
    return Agreement(
        tuple(explain_inexactness(original)),
        len(original.events),
        _find_difference(original, repeated),
        tuple(_compare_throughput(original, repeated) + _compare_capacities(original, repeated)),
        *_compare_probes(original, repeated),
    )


def _find_difference(original: Session, repeated: Session) -> str:
    first, second = _list_events(original), _list_events(repeated)
    for number, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return f"event {number} is {_tell(b)}, it was {_tell(a)}"
    # A recording that was cut has the first of the events.
    if len(second) < len(first) or (original.facts.is_complete and len(second) > len(first)):
        return f"there are {len(second)} events, there were {len(first)}"
    return ""


def _list_events(session: Session) -> list[tuple[object, ...]]:
    events = session.events[list(_EVENT_COLUMNS)].copy()
    schedule = session.spec.schedule if session.spec is not None else ()
    asked = {name for step in session.steps() for name in step.after}.union(*(step.settings for step in schedule))
    # What came of an action is told in resident bytes, which are the system's and not the same again.
    events.loc[events["item"].isin(asked), ["old_value", "new_value"]] = 0.0
    return list(events.itertuples(index=False, name=None))


def _tell(event: tuple[object, ...]) -> str:
    kind, cause, item, operation, old, new = event
    return f"{kind} {item} {old:g} → {new:g} ({cause}) at {operation} operations"


def _compare_throughput(original: Session, repeated: Session) -> list[Figure]:
    first, second = _mean_rate(original), _mean_rate(repeated)
    if math.isnan(first) or math.isnan(second):
        return []
    from scipy import stats

    rates = _span_rates(original)
    factor = SHORT_FACTOR
    if len(rates) == SPANS:
        deviation = float(np.log(rates).std(ddof=1))
        spread = float(stats.t.ppf(0.975, SPANS - 1)) * deviation * math.sqrt(2 / SPANS)
        factor = max(1 + LEAST_SPREAD, math.exp(spread))
    return [Figure("throughput", "operations/s", first, second, first / factor, first * factor)]


def _mean_rate(session: Session) -> float:
    if session.facts.operations and session.facts.elapsed_s:
        return session.facts.operations / session.facts.elapsed_s
    counts = session.samples["operations"].dropna()
    if len(counts) < 2:
        return math.nan
    elapsed_s = float(counts.index[-1] - counts.index[0])
    return float(counts.iloc[-1] - counts.iloc[0]) / elapsed_s if elapsed_s > 0 else math.nan


def _span_rates(session: Session) -> npt.NDArray[np.float64]:
    """Operations a second in each of ten equal spans of time, those without any left out."""
    counts = session.samples["operations"].dropna()
    if len(counts) < SPANS:
        return np.empty(0)
    edges_s = np.linspace(counts.index[0], counts.index[-1], SPANS + 1)
    done = np.interp(edges_s, counts.index.to_numpy(float), counts.to_numpy(float))
    rates: npt.NDArray[np.float64] = np.diff(done) / np.diff(edges_s)
    return rates[rates > 0]


def _compare_capacities(original: Session, repeated: Session) -> list[Figure]:
    figures = []
    for column in original.columns:
        name = name_sample_column(column)
        if column.unit not in CAPACITY_UNITS or name not in repeated.samples:
            continue
        values = original.samples[name].dropna().to_numpy(float)
        now = repeated.samples[name].dropna().to_numpy(float)
        if not len(values) or not len(now):
            continue
        last = values[-max(1, round(LAST_SHARE * len(values))) :]
        low, high = float(last.min()) / 2, float(last.max()) * 2
        figures.append(
            Figure(f"final {column.key}", column.unit, float(values[-1]), float(now[-1]), low, high)
        )
    return figures


def _compare_probes(original: Session, repeated: Session) -> tuple[tuple[Figure, ...], tuple[str, ...]]:
    """What the curves are, and why some cannot be compared."""
    figures, unread = [], []
    known = {probe.name: probe for probe in repeated.facts.probes}
    columns = {column.metric: column for column in original.columns}
    for probe in original.facts.probes:
        if (column := columns.get(f"probe.{probe.name}")) is None:
            continue
        first, second = (_read_curve(session, column) for session in (original, repeated))
        if len(first) and len(second):
            means = [float(part.mean()) for part in np.array_split(first, min(SPANS, len(first)))]
            margin = LEAST_SPREAD * max(map(abs, means))
            low, high = min(means) - margin, max(means) + margin
            now, then = float(second.mean()), float(first.mean())
            figures.append(Figure(f"mean of {column.key}", column.unit, then, now, low, high))
            continue
        missing = "its Python function was not given to repeat_session" if not probe.source else "it was not read"
        whose = known.get(probe.name) if len(first) else probe
        why = (whose.reason if whose else missing) or "it was not read in time"
        which = "the repetition" if len(first) else "the first session"
        unread.append(f"probe {probe.name} is not compared, {which} has no value of it: {why}")
    return tuple(figures), tuple(unread)


def _read_curve(session: Session, column: Column) -> npt.NDArray[np.float64]:
    name = name_sample_column(column)
    if name not in session.samples:
        return np.empty(0)
    return session.samples[name].dropna().to_numpy(float)
