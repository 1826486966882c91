"""The values of the tunables: asked for, refused, undone. The only part of a panel that callbacks touch.

A callback makes one call of C (`ControlBlock.set`) and appends to the change log, on whatever thread
the kernel runs it. Everything that is shown is read from here by the pump.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Mapping

from workbench.control import ControlBlock, Settings, Tunable, Value
from workbench.errors import NoProcess, WorkbenchError
from workbench.panel import messages
from workbench.panel.controls import describe_change, describe_values
from workbench.processes import SetPoint, count_operations, name_process, set_between_operations
from workbench.recording import Change, ChangeLog, Preset

YOU = "you"


def name_setter(pid: int | None, target_pid: int) -> str:
    """Who set something, in words: a process, or a panel in this one."""
    if pid is None:
        return "another process"
    if pid == os.getpid():
        return "another panel"
    if pid == target_pid:
        return "the process itself"
    name = name_process(pid)
    return f"{name} (pid {pid})" if name else f"pid {pid}"


class SettingsDesk:
    """Values wanted for the next start, and those of the process that runs now; thread-safe.

    Parameters
    ----------
    own : ControlBlock
        Block of the allocator in this process: descriptors and checks while nothing runs.
    """

    def __init__(self, own: ControlBlock) -> None:
        self._lock = threading.RLock()
        self._own = own
        self._block: ControlBlock | None = None
        self._is_foreign = False
        self._workload_block: ControlBlock | None = None
        self._is_repeatable = False
        # What the process was asked for last, by anybody, as far as it was noticed here.
        self._known: Settings | None = None
        self._staged: dict[str, Value] = {}
        self._problems: dict[str, str] = {}
        # How often each control was answered: a view keeps what was typed until then.
        self._answers: dict[str, int] = {}
        self._preset_name = ""
        self.changes = ChangeLog()
        self.tunables: Mapping[str, Tunable] = own.tunables
        self.error = ""
        self._forget_values()

    def _forget_values(self) -> None:
        self._staged = {name: tunable.default for name, tunable in self._own.tunables.items()}

    # --- which process, by the pump ---

    def bind(
        self,
        block: ControlBlock | None,
        *,
        is_foreign: bool,
        workload_block: ControlBlock | None = None,
        is_repeatable: bool = False,
    ) -> None:
        """From now on values go to this block (a running process), or only to the next start.

        Parameters
        ----------
        block : ControlBlock or None
            Of the allocator.
        is_foreign : bool
            Whether the process is not ours.
        workload_block : ControlBlock, optional
            Of the runner, whose operations are counted with every change.
        is_repeatable : bool
            Whether the workload stands still for every change, so that it can be repeated exactly.
        """
        with self._lock:
            self._block = block
            self._workload_block = workload_block
            self._is_repeatable = is_repeatable
            self._known = block.requested() if block is not None else None
            self._is_foreign = is_foreign
            self.tunables = block.tunables if block is not None else self._own.tunables
            self._problems.clear()
            if is_foreign:
                self.changes.forget_undo()

    def unbind(self) -> None:
        """The process is gone; what was asked of our own stays for the next start."""
        with self._lock:
            was_foreign = self._is_foreign
            self._block = self._workload_block = self._known = None
            self._is_foreign = False
            self.tunables = self._own.tunables
            self._problems.clear()
            if was_foreign:
                self.changes.forget_undo()

    def staged_changes(self) -> dict[str, Value]:
        """Values for the next start that differ from the defaults."""
        with self._lock:
            defaults = self._own.tunables
            return {name: value for name, value in self._staged.items() if value != defaults[name].default}

    # --- values ---

    def requested(self) -> dict[str, Value]:
        """What is asked for, by name."""
        with self._lock:
            if self._block is None:
                return dict(self._staged)
            values = dict(self._block.requested().values)
            if not self._is_foreign:
                for name, tunable in self.tunables.items():
                    if tunable.effect == "start" and name in self._staged:
                        values[name] = self._staged[name]
            return values

    def describe(self) -> dict[str, messages.ControlState]:
        """State of every control, for the views."""
        with self._lock:
            effective = None
            if self._block is not None:
                effective = self._block.effective().values
            return describe_values(self.tunables, self.requested(), effective, self._problems, self._answers)

    def matching_preset(self, presets: tuple[Preset, ...]) -> str:
        """Name of the preset whose values all hold, empty if there is none.

        Of several with the same values it is the one chosen last.
        """
        requested = self.requested()
        for preset in sorted(presets, key=lambda preset: preset.name != self._preset_name):
            wanted = self._complete(preset)
            if all(requested.get(name) == value for name, value in wanted.items()):
                return preset.name
        return ""

    # --- changes, by callbacks ---

    def set_one(self, name: str, given: object, gesture: str = "") -> None:
        """Sets one tunable from a control; what is wrong with it is shown at the control."""
        with self._lock:
            tunable = self.tunables.get(name)
            if tunable is None:
                self.error = f"this process has no tunable {name}"
                return
            try:
                value = self._read_value(tunable, given)
                self.apply({name: value}, YOU, gesture)
                self._problems.pop(name, None)
                self.error = ""
            except WorkbenchError as error:
                self._problems[name] = str(error)
            self._answers[name] = self._answers.get(name, 0) + 1

    @staticmethod
    def _read_value(tunable: Tunable, given: object) -> Value:
        if isinstance(given, str):
            return tunable.parse(given)
        if isinstance(given, bool | int | float):
            return tunable.from_word(tunable.to_word(given))
        raise WorkbenchError(f"{tunable.name}: {given!r} is no value; give {tunable.describe_range()}")

    def apply(self, values: Mapping[str, Value], cause: str, gesture: str = "") -> Change | None:
        """Sets several tunables as a whole or not at all, and logs it as one change.

        Raises
        ------
        WorkbenchError
            If a value is refused; then nothing changed.
        """
        with self._lock:
            self.notice_others()
            before = self.requested()
            values = {name: value for name, value in values.items() if before.get(name) != value}
            if not values:
                return None
            live = values
            if not self._is_foreign:
                # Ours can be started again: what takes effect at start waits for that.
                live = self._live_only(values)
                self._own.check({**self._staged, **values})  # refuses what could not be started
            point = None
            if self._block is not None and live:
                with contextlib.nullcontext() if self._is_foreign else contextlib.suppress(NoProcess):
                    point = self._set(self._block, live)
            if not self._is_foreign:
                self._staged.update(values)
            for name in values:
                self._problems.pop(name, None)
            return self.changes.record(
                time.monotonic(),
                cause,
                before,
                values,
                gesture,
                operations=point.operations if point else None,
                is_exact=point.is_exact if point else False,
            )

    def _set(self, block: ControlBlock, values: Mapping[str, Value]) -> SetPoint:
        if self._workload_block is not None and self._is_repeatable:
            point = set_between_operations(self._workload_block, block, values)
        else:
            generation = block.set(values)
            workload_block = self._workload_block
            operations = count_operations(workload_block) if workload_block is not None else None
            point = SetPoint(operations, False, generation)
        latest = block.requested()
        if latest.generation == point.generation:
            self._known = latest
        elif self._known is not None:  # somebody was faster; what they set is noticed next
            self._known = Settings({**self._known.values, **values}, point.generation)
        return point

    def notice_others(self) -> None:
        """Logs what another panel, command or program set since the last time."""
        with self._lock:
            if self._block is None or self._known is None:
                return
            latest = self._block.requested()
            if latest.generation == self._known.generation:
                return
            before = self._known.values
            after = {name: value for name, value in latest.values.items() if before.get(name) != value}
            who = name_setter(self._block.setter(latest.generation), self._block.info.pid)
            self._known = latest
            workload_block = self._workload_block
            self.changes.record(
                time.monotonic(),
                who,
                before,
                after,
                operations=count_operations(workload_block) if workload_block is not None else None,
                can_undo=False,
            )

    def restore(self, values: Mapping[str, Value]) -> None:
        """Gives a process back the values it had.

        Raises
        ------
        WorkbenchError
            If they are refused.
        """
        self.apply(self._live_only(values), "restored")

    def _live_only(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return {name: value for name, value in values.items() if self.tunables[name].effect != "start"}

    def reset(self, name: str) -> None:
        """Sets one tunable to its default."""
        tunable = self.tunables.get(name)
        if tunable is not None:
            self.set_one(name, tunable.default)

    def apply_preset(self, preset: Preset) -> Change | None:
        """Sets every tunable to a preset's value, or its default where the preset has none.

        Raises
        ------
        WorkbenchError
            If the values are refused.
        """
        self._preset_name = preset.name
        return self.apply(self._complete(preset), f"preset {preset.name}")

    def note_preset(self, name: str) -> None:
        """The values are those of the preset of that name: it was saved just now."""
        self._preset_name = name

    def _complete(self, preset: Preset) -> dict[str, Value]:
        with self._lock:
            wanted = {name: tunable.default for name, tunable in self.tunables.items()}
            wanted.update({name: value for name, value in preset.values.items() if name in wanted})
            return self._live_only(wanted) if self._is_foreign else wanted

    def undo(self) -> None:
        """Takes the latest change back.

        Raises
        ------
        WorkbenchError
            If the values are refused.
        """
        with self._lock:
            change = self.changes.next_undo()
            if change is not None:
                self.apply(change.before, "undo")
                self.changes.mark_undone(change)

    def redo(self) -> None:
        """Makes the change again that was taken back last.

        Raises
        ------
        WorkbenchError
            If the values are refused.
        """
        with self._lock:
            change = self.changes.next_redo()
            if change is not None:
                self.apply(change.after, "redo")
                self.changes.mark_redone(change)

    def describe_history(self) -> messages.ChangeHistory:
        """What undo and redo would do; empty texts where there is nothing."""
        undo, redo = self.changes.next_undo(), self.changes.next_redo()
        tell = describe_change
        return {
            "undo": tell(self.tunables, undo.before, undo.after) if undo else "",
            "redo": tell(self.tunables, redo.before, redo.after) if redo else "",
        }
