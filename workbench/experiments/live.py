"""Runs a live experiment: two settings take turns on a running process or group, under a lease."""

from __future__ import annotations

import contextlib
import math
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from msgspec import structs

from workbench.control import ControlBlock, Value
from workbench.errors import (
    BadParameter,
    Leased,
    NoProcess,
    StartOnly,
    WorkbenchError,
    WrongPlan,
    describe_unknown,
)
from workbench.experiments.live_probes import find_shown_unit, list_sources, make_probe
from workbench.experiments.live_result import (
    ALL_TOLD,
    INTERRUPTED,
    LEAST_READINGS,
    Guard,
    JudgedProbe,
    LivePlan,
    LiveResult,
    TimeBlock,
    spell_settings,
)
from workbench.experiments.switchback import Foresight, find_least_pilot, foresee
from workbench.experiments.terms import TIME_OVER, ChangeLimit, Terms
from workbench.probes import Probe, ProbeReader
from workbench.processes.group_block import GroupBlock
from workbench.processes.machine import date_now, describe_machine, describe_origin

if TYPE_CHECKING:
    from workbench.experiments.switchback import Arm

#: A lease holds for so long, and is renewed so often; a process looks ten times a second whether it lapsed.
LEASE_S, RENEW_S = 1.5, 0.25
# A process must act on settings within so long, or it makes no call of its allocator.
_ADOPTION_S = 5.0
_MOST_TICK_S = 0.05
_FIRST_READING_S = 5.0
#: Lengths of a block, without its wash-out, of which a pilot tells something.
PILOT_BLOCK_S = (5.0, 10.0, 20.0, 40.0, 80.0)


@dataclass(frozen=True)
class LiveProgress:
    """Where an experiment is: block `number` of `blocks`, which has `arm`; and what is known so far.

    `waits` says that it goes on when the settings may be changed again.
    """

    number: int
    blocks: int
    arm: Arm
    passed_s: float
    total_s: float
    result: LiveResult
    waits: bool = False


class _Ended(Exception):  # noqa: N818  (it is no error)
    """The experiment is over before its last block."""


class LiveExperiment:
    """One live experiment. `run` does it; `stop` ends it from another thread.

    Parameters
    ----------
    block : ControlBlock
        The control block of a process or group.
    plan : LivePlan
        A may lack tunables that can be read back: the values that they have then are A.
    probes : sequence of Probe
        What is judged.
    watched : sequence of Probe
        Further probes that guards name.
    terms : Terms, optional
        Those of the study that it is a part of.
    on_progress : callable, optional
        Called with a `LiveProgress` several times a second.

    Raises
    ------
    WrongPlan, OutOfRange, BadParameter, UnknownTunable, StartOnly
        If it cannot be run so.
    """

    def __init__(
        self,
        block: ControlBlock,
        plan: LivePlan,
        probes: Sequence[Probe],
        *,
        watched: Sequence[Probe] = (),
        terms: Terms | None = None,
        on_progress: Callable[[LiveProgress], None] | None = None,
    ) -> None:
        self._block = block
        self._probes = {probe.name: probe for probe in probes}
        self._all = self._probes | {probe.name: probe for probe in watched}
        self._guards = [Guard.parse(text) for text in plan.guards]
        for guard in self._guards:
            if guard.probe not in self._all:
                raise BadParameter(f"guard {guard}: {describe_unknown('probe', guard.probe, self._all)}")
        self.plan = structs.replace(plan, **_complete_settings(block, plan), probes=list_sources(probes))
        self.plan.check(self._all)
        self.on_progress = on_progress
        self._number = secrets.randbits(31)
        self._held: dict[int, ControlBlock] = {}
        self._terms = terms or Terms(self.plan.a, ChangeLimit(), math.inf, lambda _: "")
        self._back = self._terms.back
        self._tried: Mapping[str, Value] = self.plan.b  # what the leases go back from
        self._wanted = self._next = self._back  # what is set, and what is being set
        self._waits = False
        self._stop = threading.Event()
        self._next_renewal_s = 0.0
        self._now: tuple[int, Arm] = (0, "A")
        self._began_s = time.monotonic()
        info = block.info
        self.result = LiveResult(
            self.plan,
            target=str(block) if isinstance(block, GroupBlock) else f"process {info.pid} ({info.command})",
            kind=info.kind,
            build=info.build,
            machine=describe_machine().description,
            software=", ".join(f"{name} {value}" for name, value in describe_origin().items()),
            date=date_now(),
            judged=tuple(JudgedProbe(one.name, find_shown_unit(one), one.better) for one in probes),
        )

    def stop(self) -> None:
        """End it at once; A is restored, and what was measured is kept."""
        self._stop.set()

    def run(self) -> LiveResult:
        """Alternate between the settings until the last block, or until something ends it.

        Raises
        ------
        WorkbenchError
            If the settings are refused or cut, or the process is under another experiment. The settings are
            then what they were.
        """
        try:
            with ProbeReader(self._all.values()) as reader:
                self._await_turn(reader)
                self._begin(reader)
                self._began_s = time.monotonic()
                ended = self._alternate(reader)
        except KeyboardInterrupt:
            ended = INTERRUPTED
        except _Ended as reason:
            ended = str(reason)
        finally:
            restored = self._restore()
        self.result = replace(self.result, ended=ended, restored=restored)
        return self.result

    def pilot(self, length_s: float, block_s: Sequence[float] = PILOT_BLOCK_S) -> dict[str, list[Foresight]]:
        """Measure as things are for a while, and say for each probe how long it takes to tell 2 %.

        It holds no lease and sets nothing.
        """
        found: dict[str, list[Foresight]] = {}
        seen: dict[str, dict[float, float]] = defaultdict(dict)
        began_s = time.monotonic()
        with ProbeReader(self._probes.values()) as reader:
            while (passed_s := time.monotonic() - began_s) < length_s and not self._stop.is_set():
                if self.on_progress is not None:
                    self.on_progress(LiveProgress(0, 0, "A", passed_s, length_s, self.result))
                for name, one in reader.latest().items():
                    if math.isfinite(one.shown):
                        seen[name][one.time_s] = one.shown
                time.sleep(_MOST_TICK_S)
        wash_out_s = self.plan.wash_out_s
        for name, probe in self._probes.items():
            lengths = [one for one in block_s if one >= LEAST_READINGS * probe.period_s]
            values = list(seen[name].values())
            found[name] = foresee(values, probe.period_s, wash_out_s, lengths, looks=self.plan.looks)
        return found

    @property
    def least_pilot_s(self) -> float:
        """Length of a pilot that foretells something of every probe."""
        return max(
            min(
                find_least_pilot(probe.period_s, self.plan.wash_out_s, length_s)
                for length_s in PILOT_BLOCK_S
                if length_s >= LEAST_READINGS * probe.period_s or length_s == PILOT_BLOCK_S[-1]
            )
            for probe in self._probes.values()
        )

    # --- settings ---

    def _begin(self, reader: ProbeReader) -> None:
        """Take the leases, and see that both settings are taken as they are given."""
        before = self._block.requested().values
        try:
            self._set(self.plan.a)
            for arm, values in (("B", self.plan.b), ("A", self.plan.a)):
                self._set(values)
                self._await_adoption(arm, values)
        except BaseException:
            self._back = {name: before[name] for name in self.plan.a}
            raise
        end_s = time.monotonic() + _FIRST_READING_S
        while time.monotonic() < end_s and not all(one.is_read for one in reader.latest().values()):
            self._tick(reader)
        for name, one in reader.latest().items():
            if one.reason:
                raise WrongPlan(f"probe {name} has no value: {one.reason}")

    def _set(self, values: Mapping[str, Value]) -> None:
        """Set every process.

        A lease goes back from one setting that is tried. So from one to another it goes by way of what the
        process goes back to, and a process is safe at any moment.
        """
        if values not in (self._back, self._tried):
            self._write(self._back)
            self._end_leases()
            self._tried = values
        self._write(values)

    def _write(self, values: Mapping[str, Value]) -> None:
        """Set every process; one that came later is taken under a lease first."""
        self._renew()  # one that has lapsed is no move of somebody's
        self._find_moves()
        if values != self._wanted:
            self._terms.limit.note()
        self._next = values
        members = self._block.members
        refused: WorkbenchError | None = None
        for block in members:
            try:
                if id(block) not in self._held:
                    block.take_lease(self._back, self._tried, number=self._number, length_s=LEASE_S)
                    self._held[id(block)] = block
                block.set(values)
            except (NoProcess, Leased) as error:
                refused = error
        if refused is not None and (not self._held or not isinstance(self._block, GroupBlock)):
            raise _Ended(str(refused)) if self._now[0] else refused
        known = {id(block) for block in members}
        self._held = {key: block for key, block in self._held.items() if key in known}
        self._wanted = values

    def _await_adoption(self, arm: str, values: Mapping[str, Value]) -> None:
        end_s = time.monotonic() + _ADOPTION_S
        waiting = dict(self._held)
        while waiting and time.monotonic() < end_s:
            self._renew()
            for key, block in list(waiting.items()):
                if block.effective().generation < block.requested().generation:
                    continue
                del waiting[key]
                now = block.effective().values
                for name, value in values.items():
                    if not block.tunables[name].is_write_only and now[name] != value:
                        raise WrongPlan(
                            f"{arm}: {name}={value} was refused or cut, and became {now[name]}; "
                            "give a value that stays"
                        )
            time.sleep(0.01)
        if waiting and len(waiting) == len(self._held):
            raise WrongPlan(
                f"{self.result.target} does not act on settings within {_ADOPTION_S:.0f} s: it makes no call "
                "of its allocator, or has confined itself"
            )

    def _renew(self) -> None:
        if time.monotonic() < self._next_renewal_s:
            return
        self._next_renewal_s = time.monotonic() + RENEW_S
        for key, block in list(self._held.items()):
            try:
                block.renew_lease(self._number, LEASE_S)
            except WorkbenchError as error:
                if not isinstance(self._block, GroupBlock):
                    raise _Ended(str(error)) from None
                del self._held[key]  # it ended just now, or is taken again at the next block

    def _find_moves(self) -> None:
        """End it if somebody else set one of its tunables."""
        for block in self._held.values():
            with contextlib.suppress(WorkbenchError):
                now = block.requested().values
                for name, value in self._wanted.items():
                    if now[name] != value:
                        raise _Ended(
                            f"somebody set {name} to {now[name]}: it stays so, and the experiment ended"
                        )

    def _end_leases(self) -> None:
        for block in self._held.values():
            with contextlib.suppress(WorkbenchError):  # it ended just now, or its lease lapsed
                block.end_lease(self._number)
        self._held = {}

    def _restore(self) -> str:
        """Go back to A, except what somebody else set; returns what was left behind, in words."""
        kept: set[str] = set()
        gone = 0
        for block in self._held.values():
            try:
                now = block.requested().values
                back = {
                    name: value
                    for name, value in self._back.items()
                    if now[name] in (self._wanted[name], self._next[name])
                }
                kept |= {name for name in self._back.keys() - back.keys() if now[name] != self._back[name]}
                if back:
                    block.set(back)
                block.end_lease(self._number)
            except WorkbenchError:
                gone += 1
        self._held = {}
        if self._wanted != self._back:
            self._terms.limit.note()
        words = "A is restored"
        if kept:
            words += f", except {', '.join(sorted(kept))}, which somebody else set"
        which = "one process had ended or gone back by itself"
        which = which if gone == 1 else f"{gone} processes had ended or gone back by themselves"
        return f"{words}; {which}" if gone else words

    # --- blocks ---

    def _alternate(self, reader: ProbeReader) -> str:
        arms = self.plan.design.arms
        looks = self.plan.design.list_looks()
        for number, arm in enumerate(arms, 1):
            if number % 2:
                self._await_turn(reader)
            self._now = (number, arm)
            began_s, slept_s = time.monotonic(), _slept_s()
            self._set(self.plan.a if arm == "A" else self.plan.b)
            values = self._measure(reader, time.monotonic(), began_s + self.plan.block_s)
            length_s = time.monotonic() - began_s + _slept_s() - slept_s
            if self.plan.is_overlong(length_s):
                values = dict.fromkeys(values)
            done = TimeBlock(arm, began_s - self._began_s, values, length_s)
            self.result = replace(self.result, time_blocks=(*self.result.time_blocks, done))
            for name, value in values.items():
                reason = reader.latest()[name].reason
                if value is None and reason:
                    return f"probe {name} had no value in block {number} of {len(arms)}: {reason}"
            pairs = self.result.pairs
            is_look = number % 2 == 0 and pairs in looks[:-1]
            if is_look and all(effect.is_told for effect in self.result.effects.values()):
                return f"{ALL_TOLD} at look {looks.index(pairs) + 1} of {len(looks)}"
            if number % 2 == 0 and number < len(arms) and (reason := self._terms.give_up(self.result)):
                return reason
        return ""

    def _await_turn(self, reader: ProbeReader) -> None:
        """Where the settings have changed too often, wait with what the process goes back to."""
        if self._terms.limit.allows_pair:
            return
        if self._held:
            self._set(self._back)
        self._waits = True
        while not self._terms.limit.allows_pair:
            self._tick(reader)
        self._waits = False

    def _measure(self, reader: ProbeReader, set_s: float, end_s: float) -> dict[str, float | None]:
        """Wait for the end of a block; returns what each judged probe showed behind the wash-out.

        A reading counts if it began when the wash-out was over. One that began before may show what was then.
        """
        from_s = set_s + self.plan.wash_out_s
        seen: dict[str, dict[float, float]] = {name: {} for name in self._probes}
        while time.monotonic() < end_s:
            self._tick(reader)
            for name, one in reader.latest().items():
                if name in seen and not one.reason and one.began_s >= from_s:
                    seen[name][one.time_s] = one.value
        return {name: _find_level(self._probes[name], readings) for name, readings in seen.items()}

    def _tick(self, reader: ProbeReader) -> None:
        """What is done all the time: renew the leases, look for reasons to end, tell how far it is."""
        if self._stop.is_set():
            raise _Ended("it was stopped")
        if time.monotonic() >= self._terms.ends_s:
            raise _Ended(TIME_OVER)
        is_due = time.monotonic() >= self._next_renewal_s
        self._renew()
        if is_due:
            if not self._block.alive():
                raise _Ended(f"{self.result.target} ended or became another program")
            self._find_moves()
            if self.on_progress is not None:
                number, arm = self._now
                passed_s = time.monotonic() - self._began_s if number else 0.0
                blocks, total_s = self.plan.blocks, self.plan.total_s
                now = LiveProgress(number, blocks, arm, passed_s, total_s, self.result, self._waits)
                self.on_progress(now)
        latest = reader.latest()
        for guard in self._guards:
            one = latest[guard.probe]
            if one.is_read and one.reason:
                raise _Ended(f"guard {guard}: the probe has no value: {one.reason}")
            if math.isfinite(one.shown) and not guard.is_kept(one.shown):
                raise _Ended(f"guard {guard} was broken: {one.shown:g} in block {self._now[0]}")
        time.sleep(min([_MOST_TICK_S, *(probe.period_s / 3 for probe in self._all.values())]))


def prepare_experiment(
    block: ControlBlock,
    plan: LivePlan,
    probes: Sequence[str | Probe],
    *,
    known: Mapping[str, Probe] | None = None,
    terms: Terms | None = None,
    on_progress: Callable[[LiveProgress], None] | None = None,
    is_to_run: bool = True,
) -> LiveExperiment:
    """An experiment that can be run, with probes made of what was given; those that are `known` by name.

    B must differ from what the process has, unless A is given, too (A and B may be equal, as a check of the
    experiment itself), or it is not to run.
    """
    known = known or {}

    def make(given: str | Probe) -> Probe:
        return make_probe(block, known.get(given, given) if isinstance(given, str) else given, plan.period_s)

    made = [make(one) for one in probes]
    names = [probe.name for probe in made]
    if twice := [name for name in names if names.count(name) > 1]:
        raise BadParameter(f"{twice[0]} stands twice; give it once")
    watched: dict[str, Probe] = {}
    for guard in map(Guard.parse, plan.guards):
        if guard.probe not in {*watched, *names}:
            try:
                watched[guard.probe] = make(guard.probe)
            except BadParameter as error:
                raise BadParameter(f"guard {guard}: {error}") from None
    others = list(watched.values())
    one = LiveExperiment(block, plan, made, watched=others, terms=terms, on_progress=on_progress)
    if is_to_run and not plan.a and one.plan.a == one.plan.b:
        same = spell_settings(one.plan.b)
        raise WrongPlan(f"B is what the process has, {same}: give another value, or give A, too")
    return one


def _complete_settings(block: ControlBlock, plan: LivePlan) -> dict[str, dict[str, Value]]:
    """Both settings, as their tunables write them; what A lacks is what the process has now."""
    now = block.requested().values
    a: dict[str, Value] = {}
    b: dict[str, Value] = {}
    for name in plan.b:
        if name not in block.tunables:
            raise BadParameter(describe_unknown("tunable", name, block.tunables))
        tunable = block.tunables[name]
        if tunable.effect == "start":
            raise StartOnly(f"{name} takes effect at start only: a running process cannot try it")
        if name not in plan.a and tunable.is_write_only:
            raise WrongPlan(
                f"{name} cannot be read back, so nobody knows what to go back to: give its value in A, too"
            )
        for side, given in ((a, plan.a.get(name, now[name])), (b, plan.b[name])):
            side[name] = tunable.from_word(tunable.to_word(given))
    for name in plan.a.keys() - plan.b.keys():
        raise WrongPlan(f"{name} is in A only: give its value in B, too")
    block.check(a)
    block.check(b)
    return {"a": a, "b": b}


def _slept_s() -> float:
    """How long the machine has slept since it was started: CLOCK_MONOTONIC stands still meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()


def _find_level(probe: Probe, readings: Mapping[float, float]) -> float | None:
    """The mean of a gauge, the rate of a counter; None if there are too few readings, or it began anew."""
    if probe.metric.kind != "counter":
        return sum(readings.values()) / len(readings) if readings else None
    times, values = list(readings), list(readings.values())
    if len(times) < 2 or values != sorted(values):
        return None
    return (values[-1] - values[0]) / (times[-1] - times[0])
