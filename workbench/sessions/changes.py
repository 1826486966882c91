"""The log of changed tunables, with undo and redo; one gesture (a drag, a preset) is one entry."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from workbench.control import Value

MAXIMUM_CHANGES = 2000
# Sets that nobody took for a recording.
MAXIMUM_STEPS = 20_000


@dataclass(frozen=True)
class Change:
    """One gesture's change of one or more tunables.

    Parameters
    ----------
    number : int
        Grows by one with every entry, never reused.
    time_s : float
        Monotonic time of the gesture's last set, in seconds.
    cause : str
        Who or what: "you", "undo", "redo", "preset analysis" ...
    before, after : mapping of str to value
        Values of the tunables that changed.
    gesture : str
        Sets of the same gesture join one entry; empty: on its own.
    operations : int or None
        What all threads of the workload had done when it was made; None where nobody counts.
    is_exact : bool
        Whether the workload stood still at that count, so that the change can be repeated exactly.
    """

    number: int
    time_s: float
    cause: str
    before: Mapping[str, Value]
    after: Mapping[str, Value]
    gesture: str = ""
    operations: int | None = None
    is_exact: bool = False


class ChangeLog:
    """All changes of a session, newest last; thread-safe.

    Controls append to it from the thread that runs their callback, the panel's pump reads it.
    """

    def __init__(self, maximum: int = MAXIMUM_CHANGES) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Change] = deque(maxlen=maximum)
        self._undo: deque[Change] = deque(maxlen=maximum)
        self._redo: deque[Change] = deque()
        self._number = 0
        self._steps: deque[Change] = deque(maxlen=MAXIMUM_STEPS)
        self._step_number = 0

    def record(
        self,
        time_s: float,
        cause: str,
        before: Mapping[str, Value],
        after: Mapping[str, Value],
        gesture: str = "",
        *,
        operations: int | None = None,
        is_exact: bool = False,
        can_undo: bool = True,
    ) -> Change | None:
        """Adds a change, or lengthens the newest one if it is of the same gesture.

        Returns the entry, or None if nothing differs.
        """
        # Of the tunables that changed and no others: undo gives back what stands here.
        before = {name: before[name] for name in after if name in before}
        names = [name for name in after if before.get(name) != after[name]]
        old = {name: before[name] for name in names if name in before}
        new = {name: after[name] for name in names}
        change = Change(0, time_s, cause, old, new, gesture, operations, is_exact)
        with self._lock:
            if names:
                self._step_number += 1
                self._steps.append(replace(change, number=self._step_number))
            if gesture and self._entries and (last := self._entries[-1]).gesture == gesture:
                change = replace(
                    change,
                    number=last.number,
                    cause=last.cause,
                    before={**before, **last.before},
                    after={**last.after, **after},
                )
                self._entries[-1] = change
                if self._undo and self._undo[-1].number == last.number:
                    self._undo[-1] = change
                return change
            if not names:
                return None
            self._number += 1
            change = replace(change, number=self._number)
            self._entries.append(change)
            if can_undo and cause not in ("undo", "redo"):
                self._undo.append(change)
                self._redo.clear()
            return change

    def take_steps(self) -> list[Change]:
        """Every single set since the last call, those of one gesture apart: what a recording keeps."""
        with self._lock:
            steps = list(self._steps)
            self._steps.clear()
            return steps

    def entries(self, since_s: float = float("-inf")) -> list[Change]:
        """Changes at or after a monotonic time in seconds, oldest first."""
        with self._lock:
            return [entry for entry in self._entries if entry.time_s >= since_s]

    def next_undo(self) -> Change | None:
        """The change that undo would take back."""
        with self._lock:
            return self._undo[-1] if self._undo else None

    def next_redo(self) -> Change | None:
        """The change that redo would make again."""
        with self._lock:
            return self._redo[-1] if self._redo else None

    def mark_undone(self, change: Change) -> None:
        """Moves a change from the undo to the redo stack, once its values are restored."""
        self._move(change, self._undo, self._redo)

    def mark_redone(self, change: Change) -> None:
        """Moves a change back from the redo to the undo stack."""
        self._move(change, self._redo, self._undo)

    def _move(self, change: Change, source: deque[Change], target: deque[Change]) -> None:
        with self._lock:
            if source and source[-1].number == change.number:
                target.append(source.pop())

    def forget_undo(self) -> None:
        """Empties undo and redo, when the values belong to another process from now on."""
        with self._lock:
            self._undo.clear()
            self._redo.clear()
