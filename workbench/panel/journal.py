"""The log of a session: lines with a time, and those that tell of changes of tunables."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from workbench.panel.controls import describe_change
from workbench.panel.protocol import LogEntry
from workbench.panel.settings import SettingsDesk
from workbench.sessions import Change

LOG_ENTRIES = 500


def format_clock(time_s: float) -> str:
    """'01:05.2'."""
    minutes, seconds = divmod(max(0.0, time_s), 60)
    return f"{int(minutes):02d}:{seconds:04.1f}"


class Journal:
    """Lines of the log, oldest first; those that are too many are forgotten.

    Parameters
    ----------
    get_start_s : callable
        CLOCK_MONOTONIC when the recording began; None while nothing is recorded.
    get_time_s : callable
        Seconds since then.
    """

    def __init__(self, get_start_s: Callable[[], float | None], get_time_s: Callable[[], float]) -> None:
        self._get_start_s, self._get_time_s = get_start_s, get_time_s
        self._entries: dict[int, LogEntry] = {}  # by number
        self._number = 0
        self._change_lines: dict[int, tuple[int, Change]] = {}  # by the change's number
        self._new: deque[LogEntry] = deque(maxlen=LOG_ENTRIES)

    def tell(self, text: str, kind: str = "note", time_s: float | None = None, number: int = 0) -> int:
        """Adds a line, or replaces the one of that number; returns its number."""
        if not number:
            self._number += 1
        clock = format_clock(self._get_time_s() if time_s is None else time_s)
        entry = LogEntry(number or self._number, clock, text, kind)
        self._entries[entry.number] = entry
        self._new.append(entry)
        while len(self._entries) > LOG_ENTRIES:
            del self._entries[next(iter(self._entries))]
        return entry.number

    def tell_changes(self, settings: SettingsDesk) -> None:
        """Adds lines for the changes of tunables since the last time, and renews those that grew."""
        start_s = self._get_start_s()
        for change in settings.changes.entries():
            number, told = self._change_lines.get(change.number, (0, None))
            if told != change:
                text = describe_change(settings.tunables, change.before, change.after, most=4)
                time_s = 0.0 if start_s is None else change.time_s - start_s
                number = self.tell(f"{change.cause}: {text}", "change", time_s, number)
                self._change_lines[change.number] = number, change

    def take_new(self) -> list[LogEntry]:
        """Lines since the last call."""
        entries = list(self._new)
        self._new.clear()
        return entries

    def all_entries(self) -> list[LogEntry]:
        """All of them."""
        return list(self._entries.values())
