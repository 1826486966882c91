"""Events: what the publisher of a control block wrote into its ring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.control.metric import Axis
from workbench.errors import UnknownMetric, describe_unknown
from workbench.units import format_number, name_column

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

#: One event as the block stores it (struct hak_event), in NumPy's terms.
EVENT_FIELDS = [
    ("sequence", "uint64"),
    ("time_ns", "uint64"),
    ("operation", "uint64"),
    ("old_value", "float64"),
    ("new_value", "float64"),
    ("thread", "uint32"),
    ("kind", "uint16"),
    ("cause", "uint16"),
    ("item", "uint32"),
    ("detail", "uint32"),
    ("reserved", "uint64"),
]
_NO_ITEM = 0xFFFFFFFF


@dataclass(frozen=True)
class EventKind:
    """One kind of event.

    Attributes
    ----------
    name, help : str
        Such as "TLS_GROW", and one line of text.
    unit : str
        Unit of the old and the new value.
    is_capacity : bool
        Whether it is shown in the panel's log: a capacity changed, or a setting was refused.
    axis : str or None
        What the event's item counts along.
    """

    name: str
    help: str = ""
    unit: str = ""
    is_capacity: bool = False
    axis: str | None = None


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes
    ----------
    time_s : float
        CLOCK_MONOTONIC, comparable with `Snapshot.time_s`.
    thread, operation : int
        Kernel thread id, and the operation count of that thread.
    kind, cause : str
        Names; `kind_info` has the rest of the kind.
    item : str
        Label along the kind's axis, such as "48 B"; empty if it has none.
    old_value, new_value : float
        In the kind's unit.
    kind_info : EventKind
        Its descriptor.
    """

    time_s: float
    thread: int
    operation: int
    kind: str
    cause: str
    item: str
    old_value: float
    new_value: float
    kind_info: EventKind

    @property
    def unit(self) -> str:
        """Unit of the old and the new value."""
        return self.kind_info.unit

    def __str__(self) -> str:
        item = f" {self.kind_info.axis} {self.item}" if self.item else ""
        values = f"{format_number(self.old_value)} → {format_number(self.new_value)} {self.unit}"
        cause = "" if self.cause.upper() in ("", "NONE") else f", {self.cause.lower()}"
        return f"{self.kind}{item} {values.rstrip()} (thread {self.thread}{cause})"


@dataclass(frozen=True)
class EventBatch:
    """Events of one block in the order they were written.

    Attributes
    ----------
    records : ndarray of EVENT_FIELDS
        The events as stored.
    cursor : int
        Where the next batch begins: pass it to `ControlBlock.events`.
    lost : int
        Events from the cursor that was given on that had been overwritten before they were read.
    kinds : tuple of EventKind
    causes : tuple of str
        Both by the number in `records`.
    axes : mapping of str to Axis
    """

    records: npt.NDArray[Any]
    cursor: int
    lost: int
    kinds: tuple[EventKind, ...]
    causes: tuple[str, ...]
    axes: Mapping[str, Axis]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Event]:
        for record in self.records:
            kind, cause, item = self._kind(int(record["kind"])), int(record["cause"]), int(record["item"])
            label = self.axes[kind.axis].label(item) if kind.axis else str(item)
            yield Event(
                time_s=int(record["time_ns"]) / 1e9,
                thread=int(record["thread"]),
                operation=int(record["operation"]),
                kind=kind.name,
                cause=self.causes[cause] if cause < len(self.causes) else f"CAUSE_{cause}",
                item="" if item == _NO_ITEM else label,
                old_value=float(record["old_value"]),
                new_value=float(record["new_value"]),
                kind_info=kind,
            )

    def select(self, *names: str, is_capacity: bool = False) -> EventBatch:
        """Keep the events of some kinds; with `is_capacity`, also of all that tell of a changed capacity.

        UnknownMetric if the block has no such kind.
        """
        import numpy as np

        known = [kind.name for kind in self.kinds]
        for name in names:
            if name not in known:
                raise UnknownMetric(describe_unknown("event", name, known))
        wanted = [
            number
            for number, kind in enumerate(self.kinds)
            if kind.name in names or (is_capacity and kind.is_capacity)
        ]
        return replace(self, records=self.records[np.isin(self.records["kind"], wanted)])

    def counts(self) -> dict[str, int]:
        """Count the events by kind; kinds without events are left out."""
        found = Counter(int(kind) for kind in self.records["kind"])
        return {self._kind(number).name: count for number, count in sorted(found.items())}

    def to_frame(self) -> pd.DataFrame:
        """Lay the events out as a table, one a row.

        Returns
        -------
        pandas.DataFrame
            Columns time_s, thread, operation, kind, cause, item, and for each unit that occurs the old
            and the new value: `old_slots`, `new_slots` (NaN in rows of another unit).
        """
        import numpy as np
        import pandas as pd

        events = list(self)
        names = ("time_s", "thread", "operation", "kind", "cause", "item")
        frame = pd.DataFrame({name: [getattr(event, name) for event in events] for name in names})
        units = np.array([event.unit for event in events], dtype=object)
        for unit in dict.fromkeys(units):
            for side in ("old", "new"):
                column = name_column(side, unit) if unit else f"{side}_value"
                frame[column] = np.where(units == unit, self.records[f"{side}_value"], np.nan)
        return frame

    def _kind(self, number: int) -> EventKind:
        return self.kinds[number] if number < len(self.kinds) else EventKind(f"EVENT_{number}")
