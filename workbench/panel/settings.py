"""The values of the tunables: asked for, refused, undone. The only part of a panel that callbacks touch.

A callback (`set_one`) makes one call of C and appends to `_asked`, on whatever thread the kernel runs it; it
takes no lock. The pump's thread does the rest in `settle`: it enters what was asked for into the change log,
with the values before and the workload's count of operations, and it notices what others set. Everything
that is shown is read by the pump. A notebook's calls take the pump's lock; a slider never waits for it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from workbench.allocators import DEFAULT_ALLOCATOR, Allocator, Preset, get_allocator
from workbench.control import DO, Action, ControlBlock, Settings, Tunable, Value
from workbench.errors import NoProcess, PartlySet, WorkbenchError
from workbench.panel import protocol
from workbench.panel.controls import describe_change, describe_state
from workbench.panel.requests import request
from workbench.panel.target import Target
from workbench.processes import SetPoint, count_operations, name_process, set_between_operations
from workbench.processes.group_block import GroupBlock
from workbench.sessions import Change, ChangeLog

YOU, EXPERIMENT = "you", "experiment"


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


@dataclass(frozen=True, eq=False)
class _Binding:
    """Where values go; replaced as a whole when a process comes or goes.

    A process is foreign if we did not start it. A repeatable workload stands still for every change.
    """

    tunables: Mapping[str, Tunable]
    block: ControlBlock | None = None
    is_foreign: bool = False
    workload_block: ControlBlock | None = None
    is_repeatable: bool = False


# How far something that was asked for is. The pump sets what waits, while the workload stands still.
_Stand = Literal["called", "refused", "staged", "waits", "set"]


@dataclass(eq=False)
class _Asked:
    """Values that were asked for as a whole; one is made before its call, so that no generation is missed."""

    binding: _Binding
    values: Mapping[str, Value]
    cause: str = YOU
    gesture: str = ""
    time_s: float = field(default_factory=time.monotonic)
    stand: _Stand = "called"
    point: SetPoint | None = None
    change: Change | None = None

    @property
    def generation(self) -> int:
        """Generation of the settings that it made; 0 if it made none."""
        return self.point.generation if self.point else 0


class SettingsDesk:
    """Values wanted for the next start, and those of the process that runs now.

    `set_one` and `reset` take no lock, and may be called from any thread; so may all else, which takes one.
    What changes several values raises a WorkbenchError if one of them is refused; then nothing changed.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        #: Whose values are those of the next start: its tunables are shown while nothing runs.
        self.allocator = get_allocator(DEFAULT_ALLOCATOR)
        self._binding = _Binding(self.allocator.tunables)
        # Appended to by callbacks, emptied by `settle`.
        self._asked: deque[_Asked] = deque()
        # What the process was asked for, as far as the log has it; and which later generations are in it.
        self._known: Settings | None = None
        self._entered: set[int] = set()
        # Replaced as a whole, since callbacks read it.
        self._staged: Mapping[str, Value] = self.allocator.defaults
        self._problems: dict[str, str] = {}
        # How often each control was answered: a view keeps what was typed until then.
        self._answers: dict[str, int] = {}
        #: The preset that was chosen or saved last; others may have the same values.
        self.preset_name = ""
        self._log = ChangeLog()
        self.error = ""
        #: Tunables that an experiment of this panel sets.
        self.alternating: frozenset[str] = frozenset()
        # What waits for the next start of allocators that were chosen before.
        self._put_by: dict[str, Mapping[str, Value]] = {}

    def choose(self, allocator: Allocator) -> None:
        """From now on the values of the next start are this allocator's; those of the one before are kept."""
        with self._lock:
            if not allocator.is_tunable or allocator.name == self.allocator.name:
                return
            self.settle()
            self._put_by[self.allocator.name] = self._staged
            self.allocator = allocator
            self._staged = self._put_by.get(allocator.name, allocator.defaults)
            if self._binding.block is None:
                self.unbind()
            self._log.forget_undo()

    @property
    def tunables(self) -> Mapping[str, Tunable]:
        """Those of the process that runs, else of the next start."""
        return self._binding.tunables

    @property
    def actions(self) -> Mapping[str, Action]:
        """What the process that runs does when it is asked to, or that of the next start."""
        block = self._binding.block
        return self.allocator.actions if block is None else block.actions

    @property
    def changes(self) -> ChangeLog:
        """All changes, with what was asked for until now."""
        self.settle()
        return self._log

    # --- which process, by the pump ---

    def bind(self, target: Target) -> None:
        """From now on values go to this process; if its allocator has no control block, to the next start."""
        block = target.allocator_block
        tunables = block.tunables if block is not None else self.allocator.tunables
        is_foreign = target.run is None
        self._rebind(_Binding(tunables, block, is_foreign, target.workload_block, target.is_repeatable))

    def unbind(self) -> None:
        """The process is gone; what was asked of our own stays for the next start."""
        self._rebind(_Binding(self.allocator.tunables))

    def _rebind(self, binding: _Binding) -> None:
        with self._lock:
            with contextlib.suppress(WorkbenchError):
                self.settle()
            if self._binding.is_foreign or binding.is_foreign:
                self._log.forget_undo()
            self._known = binding.block.requested() if binding.block is not None else None
            self._binding = binding
            self._entered.clear()
            self._problems.clear()

    def staged_changes(self, *, is_live_only: bool = False) -> dict[str, Value]:
        """Values for the next start that differ from the defaults; of some, those that are never too late."""
        self.settle()
        defaults = self.allocator.defaults
        changed = {name: value for name, value in self._staged.items() if value != defaults[name]}
        return self._live_only(changed) if is_live_only else changed

    # --- values ---

    def requested(self) -> dict[str, Value]:
        """What is asked for, by name."""
        with self._lock:
            self.settle()
            binding = self._binding
            if binding.block is None:
                return dict(self._staged)
            return self._overlay(binding.block.requested().values)

    def _overlay(self, values: Mapping[str, Value]) -> dict[str, Value]:
        """A process's values, with those that wait for the next start."""
        if self._binding.is_foreign:
            return dict(values)
        waiting = [name for name, tunable in self.tunables.items() if tunable.effect == "start"]
        return {**values, **{name: self._staged[name] for name in waiting if name in self._staged}}

    def describe(self) -> dict[str, protocol.ControlState]:
        """State of every control, for the views."""
        with self._lock:
            self.settle()
            # Before the values: an answer must not be told with what was there before it.
            answers, problems = dict(self._answers), dict(self._problems)
            requested = self.requested()
            block = self._binding.block
            effective = block.effective() if block is not None else None
            differing = block.differing() if isinstance(block, GroupBlock) else {}
            is_adopted = bool(block and effective and effective.generation == block.requested().generation)
            states: dict[str, protocol.ControlState] = {}
            for name, tunable in self.tunables.items():
                value = requested.get(name, tunable.default)
                note, is_pending = describe_state(
                    tunable, value, effective.values if effective else None, is_adopted=is_adopted
                )
                states[name] = {
                    "requested": value,
                    "note": f"{note}; {differing[name]}" if name in differing else note,
                    "is_pending": is_pending,
                    "is_default": value == tunable.default,
                    "problem": problems.get(name, ""),
                    "answers": answers.get(name, 0),
                }
            return states

    def matching_preset(self, presets: tuple[Preset, ...]) -> str:
        """Name of the preset whose values all hold, empty if there is none.

        Among several with the same values it is the one chosen last.
        """
        requested = self.requested()
        for preset in sorted(presets, key=lambda preset: preset.name != self.preset_name):
            wanted = self._complete(preset)
            if all(requested.get(name) == value for name, value in wanted.items()):
                return preset.name
        return ""

    # --- changes, by callbacks: no lock, one call ---

    @request("set", kind="value")
    def set_one(self, name: str, value: Value, gesture: str = "") -> None:
        """Sets one tunable from a control; what is wrong with it is shown at the control.

        A text is read as a person types it; sets of one `gesture` are one change.
        """
        if name not in self.tunables:
            self.error = f"this process has no tunable {name}"
            return
        self._problems.pop(name, None)
        try:
            self._ask(name, value, gesture)
            self.error = ""
        except WorkbenchError as error:
            self._problems[name] = str(error)
        self._answers[name] = self._answers.get(name, 0) + 1

    @request(kind="value")
    def reset(self, name: str) -> None:
        """Sets one tunable to its default."""
        if name in self.tunables:
            self.set_one(name, self.tunables[name].default)

    @request(kind="value")
    def act(self, name: str) -> None:
        """Has the process do something; an event tells when it is done and what came of it."""
        self.error = ""
        try:
            if self._binding.block is None or name not in self.actions:
                raise NoProcess(f"{name}: no process runs here that has such an action")
            self._ask(name, DO)
        except WorkbenchError as error:
            self.error = str(error)

    def _ask(self, name: str, given: Value, gesture: str = "") -> None:
        binding = self._binding
        value = given
        if (tunable := binding.tunables.get(name)) is not None:
            value = (
                tunable.parse(given) if isinstance(given, str) else tunable.from_word(tunable.to_word(given))
            )
        asked = _Asked(binding, {name: value}, YOU, gesture)
        self._asked.append(asked)
        try:
            asked.stand = self._call(binding, asked)
        except WorkbenchError:
            asked.stand = "refused"
            if binding is self._binding:
                raise
            self._ask(name, given, gesture)  # the process went, or another came, meanwhile

    def _call(self, binding: _Binding, asked: _Asked) -> _Stand:
        """The one call: sets, or checks what is set later."""
        # Ours can be started again: what takes effect at start waits for that.
        waits = not binding.is_foreign and all(
            name in binding.tunables and binding.tunables[name].effect == "start" for name in asked.values
        )
        if binding.block is not None and not waits:
            if binding.is_repeatable:
                binding.block.check(asked.values)
                return "waits"
            with contextlib.nullcontext() if binding.is_foreign else contextlib.suppress(NoProcess):
                asked.point = SetPoint(None, False, self._set_block(binding.block, asked.values))
                return "set"
        self.allocator.check({**self._wanted(), **asked.values})
        return "staged"

    def _wanted(self) -> dict[str, Value]:
        """Values for the next start, with what the pump has not entered yet."""
        wanted = dict(self._staged)
        for asked in list(self._asked):
            if not asked.binding.is_foreign and asked.stand not in ("called", "refused"):
                wanted.update(asked.values)
        return wanted

    # --- what the pump makes of it ---

    def settle(self) -> None:
        """Enters into the log what was asked for and what others set since the last time."""
        with self._lock:
            block = self._binding.block
            latest = None
            if block is not None:
                # Before the list is looked at: whoever made a generation up to this one is on it.
                with contextlib.suppress(WorkbenchError):
                    latest = block.requested()
            asked = list(self._asked)
            done = [one for one in asked if one.stand != "called"]
            for one in sorted(done, key=lambda one: one.generation):
                self._enter(one)
            for one in done:
                self._asked.remove(one)
            if block is not None and latest is not None and len(done) == len(asked):
                self._notice_others(block, latest)

    def _enter(self, one: _Asked) -> None:
        is_of_this = one.binding is self._binding
        if one.stand == "refused" or (one.binding.is_foreign and not is_of_this):
            return
        before = self._known_values()
        if one.stand == "waits" and is_of_this:
            if all(before.get(name) == value for name, value in one.values.items()):
                return
            try:
                with contextlib.suppress(NoProcess):
                    one.point = self._set(one.binding, one.values)
            except WorkbenchError as error:  # another value came in between
                self._problems.update(dict.fromkeys(one.values, str(error)))
                return
        # Without actions, which have no values that last.
        lasting = {name: value for name, value in one.values.items() if name in one.binding.tunables}
        if one.point is not None and is_of_this and self._known is not None:
            values = {**self._known.values, **self._live_only(lasting)}
            self._known = Settings(values, self._known.generation)
            self._entered.add(one.generation)
        if not one.binding.is_foreign:
            self._staged = {**self._staged, **lasting}
        operations = one.point.operations if one.point else None
        if one.stand == "set" and operations is None and is_of_this:
            operations = self._count_operations()
        is_exact = one.point is not None and one.point.is_exact
        one.change = self._log.record(
            one.time_s,
            one.cause,
            before,
            one.values,
            one.gesture,
            operations=operations,
            is_exact=is_exact,
            can_undo=bool(lasting),
        )

    def _notice_others(self, block: ControlBlock, latest: Settings) -> None:
        assert self._known is not None
        if any(generation > latest.generation for generation in self._entered):
            return  # set after `latest` was read: the next time tells
        before = self._known.values
        others = latest.generation - self._known.generation - len(self._entered)
        after = {name: value for name, value in latest.values.items() if before.get(name) != value}
        if others and after:
            is_theirs = latest.generation not in self._entered
            setter = block.setter(latest.generation) if is_theirs else None
            is_ours = after.keys() <= self.alternating
            who = EXPERIMENT if is_ours else name_setter(setter, block.info.pid)
            operations = self._count_operations()
            self._log.record(time.monotonic(), who, before, after, operations=operations, can_undo=False)
        self._known = latest
        self._entered.clear()

    def _known_values(self) -> dict[str, Value]:
        """What is asked for, as far as the log has it."""
        return dict(self._staged) if self._known is None else self._overlay(self._known.values)

    def _count_operations(self) -> int | None:
        block = self._binding.workload_block
        return count_operations(block) if block is not None else None

    def _set(self, binding: _Binding, values: Mapping[str, Value]) -> SetPoint:
        assert binding.block is not None
        if binding.workload_block is not None and binding.is_repeatable:
            return set_between_operations(binding.workload_block, binding.block, values)
        return SetPoint(self._count_operations(), False, self._set_block(binding.block, values))

    def _set_block(self, block: ControlBlock, values: Mapping[str, Value]) -> int:
        """Sets them in a process, or a group; who of it did not take them is named at the control."""
        try:
            return block.set(values)
        except PartlySet as error:
            self._problems.update(dict.fromkeys(values, str(error)))
            return error.generation

    # --- changes of several values, by the pump or a notebook ---

    def apply(self, values: Mapping[str, Value], cause: str, gesture: str = "") -> Change | None:
        """Sets several tunables as a whole or not at all, and logs it as one change."""
        with self._lock:
            before = self.requested()
            binding = self._binding
            values = {name: value for name, value in values.items() if before.get(name) != value}
            if not values:
                return None
            if not binding.is_foreign:
                self.allocator.check({**self._staged, **values})  # refuses what could not be started
            for name in values:
                self._problems.pop(name, None)
            one = _Asked(binding, values, cause, gesture, stand="staged")
            live = values if binding.is_foreign else self._live_only(values)
            if binding.block is not None and live:
                with contextlib.nullcontext() if binding.is_foreign else contextlib.suppress(NoProcess):
                    one.point = self._set(binding, live)
                    one.stand = "set"
            self._asked.append(one)
            self.settle()
            return one.change

    def restore(self, values: Mapping[str, Value]) -> None:
        """Gives a process back the values it had; in a group each has had its own."""
        block = self._binding.block
        if not isinstance(block, GroupBlock):
            self.apply(self._live_only(values), "restored")
            return
        with self._lock:
            before = self.requested()
            refused: PartlySet | None = None
            try:
                generation = block.restore()
            except PartlySet as error:
                generation, refused = error.generation, error
            after = block.requested().values.items()
            if values := {name: value for name, value in after if before.get(name) != value}:
                point = SetPoint(self._count_operations(), False, generation)
                self._asked.append(_Asked(self._binding, values, "restored", stand="set", point=point))
                self.settle()
            if refused is not None:
                raise refused

    def _live_only(self, values: Mapping[str, Value]) -> dict[str, Value]:
        return {name: value for name, value in values.items() if self.tunables[name].effect != "start"}

    def apply_preset(self, preset: Preset) -> Change | None:
        """Sets every tunable to a preset's value, or its default where the preset has none."""
        self.preset_name = preset.name
        return self.apply(self._complete(preset), f"preset {preset.name}")

    def _complete(self, preset: Preset) -> dict[str, Value]:
        with self._lock:
            wanted = {name: tunable.default for name, tunable in self.tunables.items()}
            wanted.update({name: value for name, value in preset.values.items() if name in wanted})
            return self._live_only(wanted) if self._binding.is_foreign else wanted

    @request()
    def undo(self) -> None:
        """Takes the latest change back."""
        with self._lock:
            if (change := self.changes.next_undo()) is not None:
                self.apply(change.before, "undo")
                self._log.mark_undone(change)

    @request()
    def redo(self) -> None:
        """Makes the change again that was taken back last."""
        with self._lock:
            if (change := self.changes.next_redo()) is not None:
                self.apply(change.after, "redo")
                self._log.mark_redone(change)

    def describe_history(self) -> protocol.ChangeHistory:
        """What undo and redo would do; empty texts where there is nothing."""
        undo, redo = self.changes.next_undo(), self._log.next_redo()
        return {
            "undo": describe_change(self.tunables, undo.before, undo.after) if undo else "",
            "redo": describe_change(self.tunables, redo.before, redo.after) if redo else "",
        }
