"""The chart *Who holds it*: which code holds the memory, by sampled stacks, and what grew since a pin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from workbench.allocators import Row, get_row
from workbench.control import Tunable, Value
from workbench.errors import NoProcess
from workbench.panel.protocol import HeapChart, Sampling
from workbench.plots.heap_figures import build_icicle
from workbench.samples import HeapProfile, tabulate_stacks
from workbench.samples.heap_profile import HeapReader
from workbench.units import format_rough

# More parts than these cannot be told apart on a screen, and each is sent to the page.
_MOST_PARTS = 300
_MOST_ROWS = 10


class HeapView:
    """Reads the samples of a process, of a group those of its first one; `read` is slow.

    Parameters
    ----------
    find_pids : callable
        The processes now.
    """

    def __init__(self, find_pids: Callable[[], Sequence[int]]) -> None:
        self._find_pids = find_pids
        self._pid = 0
        self._latest: HeapProfile | None = None
        self._pinned: HeapProfile | None = None
        self._numbers: dict[tuple[str, ...], int] = {}

    def pin(self) -> None:
        """From now on tell what grew since the latest reading."""
        self._pinned = self._latest

    def unpin(self) -> None:
        """Tell no more what grew."""
        self._pinned = None

    def read(self) -> HeapChart:
        """Read the samples and make the chart; NoProcess if there are none."""
        pid = next(iter(self._find_pids()), None)
        if not pid:  # 0: it is not started yet
            raise NoProcess("no process of it runs")
        if pid != self._pid:
            self._pid, self._reader, self._pinned = pid, HeapReader(pid), None
        profile = self._reader.read()
        in_use = profile.in_use()
        icicle = build_icicle(profile, in_use, self._numbers, _MOST_PARTS) if len(in_use) else None
        note = f"process {pid}: {_tell(in_use)} in use, by {len(profile.samples)} samples"
        if profile.lost:
            note += f"; {profile.lost} samples were lost: choose a larger interval"
        told = HeapChart(note=note, icicle=icicle, growth="", rows=[])
        if (pinned := self._pinned) is not None:
            seconds = (profile.time_ns - pinned.time_ns) / 1e9
            grown = profile.grown_since(pinned)
            table = tabulate_stacks(profile, grown[grown["bytes"] > 0].head(_MOST_ROWS))
            told["growth"] = f"since the pin, {seconds:.0f} s ago: {_tell(grown)} more"
            told["rows"] = [list(table.columns), *(list(row) for row in table.rows)] if table.rows else []
        self._latest = profile
        return told


def _tell(rows: pd.DataFrame) -> str:
    error = float((rows["bytes_error"] ** 2).sum() ** 0.5)
    return f"{format_rough(float(rows['bytes'].sum()), 'bytes')} ± {format_rough(error, 'bytes')}"


def describe_sampling(
    row: Row | None, tunables: Mapping[str, Tunable], requested: Mapping[str, Value]
) -> Sampling:
    """What switches sampling in a process with these tunables to the other state."""
    values = get_row(row.in_process or row.name).sampling if row is not None else {}
    if not values or not values.keys() <= tunables.keys():
        return {"is_on": False, "values": {}}
    off = {name: tunables[name].default for name in values}
    is_on = any(requested[name] != value for name, value in off.items())
    return {"is_on": is_on, "values": off if is_on else values}
