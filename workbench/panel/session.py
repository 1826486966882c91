"""A live session: what runs, what is recorded of it, what is told about it. Used by the pump alone."""

from __future__ import annotations

import contextlib
import math
import shlex
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from workbench.allocators import DEFAULT_ALLOCATOR, get_allocator, get_row
from workbench.control import Event, EventBatch
from workbench.errors import BadParameter, NoProcess, WorkbenchError
from workbench.panel.controls import describe_change
from workbench.panel.forms import describe_spec, read_form
from workbench.panel.journal import Journal, format_clock
from workbench.panel.keeper import SessionKeeper
from workbench.panel.probes import ProbeDesk
from workbench.panel.protocol import ActionState, Choice, LogEntry, RunForm, RunState, ShownRun
from workbench.panel.requests import request
from workbench.panel.settings import EXPERIMENT, YOU, SettingsDesk
from workbench.panel.target import LiveRun, Target, attach_target, find_targets, start_target
from workbench.plots import Chart, Marker, build_charts
from workbench.processes import Outcome
from workbench.processes.live_program import LiveProgram
from workbench.processes.running import StartedRun
from workbench.sessions import Change, Column, HistoryView
from workbench.units import format_rough

EVENTS_A_STEP = 12
CHANGE_SHOWN_S = 20.0
MAXIMUM_MARKERS = 200


@dataclass(frozen=True)
class PinnedRun:
    """A run kept as baseline; `work` is None where nobody knows what a process does."""

    history: HistoryView
    charts: tuple[Chart, ...]
    operations_per_s: float
    work: tuple[object, ...] | None


def format_rate(rate: float) -> str:
    """'41.2 M', '870 k', '12'."""
    for factor, suffix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if rate >= factor:
            return f"{rate / factor:.3g}{suffix}"
    return f"{rate:.0f}"


class LiveSession:
    """One process at a time: started or attached to, recorded, told about.

    Whatever cannot be done raises a WorkbenchError with the reason.

    Parameters
    ----------
    sessions : Path, optional
        Where sessions are recorded; nowhere if it is left out.
    """

    def __init__(self, sessions: Path | None = None) -> None:
        self.settings = SettingsDesk()
        self.journal = Journal(
            lambda: self.target.recorder.start_s if self.target else None,
            lambda: self.target.recorder.time_s if self.target else 0.0,
        )
        self.tell, self.all_entries = self.journal.tell, self.journal.all_entries
        self.keeper = SessionKeeper(sessions, self.tell)
        self.target: Target | None = None
        self._starting: LiveProgram | None = None  # it has no control block yet
        self.state: RunState = "idle"
        self.note = ""
        self.error = ""
        self.pinned: PinnedRun | None = None
        self.probes = ProbeDesk(self.tell)
        self.charts: tuple[Chart, ...] = ()
        self._columns: list[Column] = []
        self.is_process_alive = False
        # The latest run of ours, as forms show it; its number tells it from the same run started again.
        self.shown_spec: ShownRun | None = None
        self._run_number = 0
        self._ended_elapsed_s = 0.0
        # What came of the actions of this process: when, and what it says; the latest by name.
        self._done: list[Marker] = []
        self._notes: deque[Marker] = deque(maxlen=MAXIMUM_MARKERS)
        self._results: dict[str, str] = {}

    # --- what runs ---

    @request()
    def start(self, spec: RunForm) -> None:
        """Starts a workload in a worker, or in this process."""
        self._check_idle()
        allocator = spec.get("allocator", DEFAULT_ALLOCATOR)
        self.choose(allocator)
        in_process = bool(get_row(allocator).in_process)
        run = read_form(spec, self.settings.staged_changes(is_live_only=in_process))
        self._leave()
        if run.command:
            self._starting, self.state = LiveProgram(run), "starting"
            self.note = f"starting {run.title} under {run.allocator}"
        else:
            self._enter(start_target(run, in_process=in_process))
        self._run_number += 1
        self.shown_spec = describe_spec(spec, run, in_process=in_process, number=self._run_number)
        if run.command:
            self.error = ""
            self.tell(f"{self.note}: {shlex.join(run.server.command if run.server else run.command)}")
            return
        note = " (exploratory: in this kernel's own process)" if in_process else ""
        work = f"{run.title} under {run.allocator}"
        self.tell(f"started {work}, {run.resolve().threads_text}, seed {run.seed}{note}")

    @request("choose_allocator")
    def choose(self, allocator: str) -> None:
        """The form shows another allocator: its tunables are those of the next start."""
        self.settings.choose(get_allocator(get_row(allocator).in_process or allocator))

    @property
    def is_active(self) -> bool:
        """Whether something runs, is attached to, or is about to run."""
        return self.is_process_alive or self._starting is not None

    def _check_idle(self) -> None:
        if self.is_active:
            raise BadParameter("something runs already: stop it, or detach, first")

    @request()
    def attach(self, path: str) -> None:
        """Attaches to the process that publishes the control block of that path, or to a group."""
        self._check_idle()
        if not path:
            raise NoProcess("there is no running process to attach to; start one with 'workbench exec'")
        self._leave()
        self._enter(target := attach_target(path))
        self.tell(f"attached to {target.subject}")

    @request()
    def detach(self, *, restore: bool) -> None:
        """Lets go of an attached process, with the values it had before if wanted.

        If they are refused, it is let go all the same.
        """
        target = self.target
        if target is None or target.run is not None or not self.is_process_alive:
            return
        try:
            if restore:
                self.settings.restore(target.before)
        finally:
            self._end(f"detached from {target.subject}" + (", values restored" if restore else ""), "ended")

    @property
    def _run(self) -> LiveRun | None:
        """The run of ours that goes on or is paused."""
        return self.target.run if self.target is not None and self.is_process_alive else None

    @request()
    def pause(self) -> None:
        """Lets the run stand still."""
        if self._run is not None and self.state == "running":
            self._run.pause()
            self.state = "paused"
            self.tell("paused")

    @request()
    def resume(self) -> None:
        """Goes on after a pause."""
        if self._run is not None and self.state == "paused":
            self._run.resume()
            self.state = "running"
            self.tell("resumed")

    @request()
    def stop(self) -> None:
        """Asks the run to end; `step` notes when it has."""
        if (run := self._starting or self._run) is not None:
            run.stop()
            self.note = "stopping"

    @request()
    def dismiss(self) -> None:
        """The error that shows was read: the pump clears it after everything that succeeds."""

    @request()
    def add_note(self, text: str) -> None:
        """Marks this moment with a text, in the charts, the log and the recording."""
        if self.target is None or not self.is_process_alive:
            raise NoProcess("nothing runs here: a note is put at a moment of a run")
        note = Marker(self.target.recorder.time_s, f"note: {text.strip()}")
        self._notes.append(note)
        self.keeper.note(note.time_s, text.strip())
        self.tell(note.text, "change")

    @request("record")
    def switch_recording(self, *, on: bool) -> None:
        """Recording is switched on or off."""
        self.tell(self.keeper.switch(on))

    @request()
    def save_notebook(self) -> str:
        """Writes the notebook that repeats the latest session."""
        return self._tell_saved("notebook", self.keeper.save_notebook())

    @request()
    def save_page(self) -> str:
        """Writes the latest session as one HTML page with live charts."""
        return self._tell_saved("page", self.keeper.save_page())

    def _tell_saved(self, what: str, path: Path) -> str:
        self.tell(f"saved as {what}: {path}")
        return f"wrote {path}"

    def close(self) -> None:
        """Ends what runs and lets go of what was attached to. No process is left."""
        self._leave()
        self.is_process_alive = False

    def _enter(self, target: Target) -> None:
        self.target = target
        self.state = "running" if target.run is not None else "attached"
        self.note = self.error = ""
        self.is_process_alive = True
        self.charts, self._columns = (), []
        self.probes.read_for(target)
        self._done.clear()
        self._notes.clear()
        self._results.clear()
        self.settings.bind(target)
        self.keeper.begin(target)

    def _leave(self) -> None:
        if self._starting is not None:
            self._starting.close()
            self._starting = None
        if self.target is not None:
            if self.is_process_alive:
                self.keeper.end(note="the panel let go of it")
            self.settings.unbind()
            self.probes.read_for(None)
            self.target.close()
            self.target = None
        # Nothing of what was there is said of what comes, nor if that does not come about.
        self.state = "idle"
        self.note = ""

    def _end(self, note: str, state: RunState, kind: str = "note", outcome: Outcome | None = None) -> None:
        assert self.target is not None
        self.keeper.keep(None, (), None, self._take_steps(self.target))
        self.keeper.end(outcome, note)
        self._ended_elapsed_s = self.elapsed_s()
        self.is_process_alive = False
        self.state = state
        self.note = note
        self.settings.unbind()
        self.probes.read_for(None)
        self.target.close()
        self.tell(note, kind)

    # --- what is recorded ---

    def step(self) -> None:
        """Takes one sample, notes events and the end of the process."""
        if self._starting is not None and self._starting.is_open():
            program, self._starting = self._starting, None
            self._enter(Target.of_program(program))
        target = self.target
        if target is None or not self.is_process_alive:
            return
        outcome = target.poll()
        events, sample = None, None
        # It may end between the look and the sample; the next step has the outcome.
        with contextlib.suppress(NoProcess):
            self.settings.settle()
            if (events := target.recorder.drain_events()) is not None:
                self._note_events(target, events)
            if outcome is None:
                sample = target.recorder.sample()
        for line in target.take_news():
            self.tell(line)
        self.probes.note_gaps()
        columns = target.recorder.columns
        self.keeper.keep(sample, columns, events, self._take_steps(target))
        if self._columns != columns:
            self._columns, self.charts = columns, build_charts(columns)
        if outcome is not None:
            self._note_outcome(target, outcome)

    def _note_outcome(self, target: Target, outcome: Outcome) -> None:
        if outcome.status in ("crashed", "failed", "timed out"):
            text = f"{target.subject} {outcome.status}: {outcome.message or outcome.signal}"
            last = ""
            if outcome.status == "crashed":
                if outcome.signal and outcome.signal not in text:
                    text += f" ({outcome.signal})"
                last = "".join(f"\n  {line}" for line in outcome.last_events[-5:])
            self.error = text + (f"\nits last events:{last}" if last else "")
            self._end(text, "crashed", "failure", outcome)
            return
        if target.run is None:
            self._end(f"{target.subject} has ended", "ended", "failure")
            return
        done = (
            f"{outcome.operations:,} operations, {format_rate(outcome.operations_per_s)} ops/s on average, "
        )
        if isinstance(target.run, LiveProgram):
            clients = "1 run" if outcome.operations == 1 else f"{outcome.operations} runs"
            done = f"{clients} of its client, " if target.run.spec.server else ""
        text = (
            f"{target.subject} {outcome.status} after {outcome.elapsed_s:.1f} s, {done}"
            f"at most {outcome.peak_resident_bytes / 2**20:.1f} MiB resident"
        )
        self._end(text, "ended", outcome=outcome)

    def _take_steps(self, target: Target) -> list[Change]:
        """Sets since the last time; those before this session are in what it started with."""
        steps = self.settings.changes.take_steps()
        return [step for step in steps if step.time_s >= target.recorder.start_s]

    def _note_events(self, target: Target, batch: EventBatch) -> None:
        capacity = batch.select(is_capacity=True)
        # Many threads and classes may change in one step: the newest few are told, the others counted.
        skipped = len(capacity) - EVENTS_A_STEP
        if skipped > 0:
            told = ", ".join(f"{count} {kind}" for kind, count in capacity.counts().items())
            self.tell(f"{told}; the last {EVENTS_A_STEP}:", "event")
        start_s = target.recorder.start_s
        for event in list(capacity)[-EVENTS_A_STEP:]:
            self.tell(str(event), "event", event.time_s - start_s)
        block = target.allocator_block
        done: dict[str, list[Event]] = {}
        for event in block.select_done(batch) if block else ():
            done.setdefault(event.item, []).append(event)
        for name, events in done.items():  # each process of a group does it
            before = format_rough(sum(event.old_value for event in events), events[0].unit)
            after = format_rough(sum(event.new_value for event in events), events[0].unit)
            time_s, text = events[-1].time_s - start_s, f"{before} → {after} resident"
            times = f" {len(events)} times" if len(events) > 1 else ""
            self.tell(f"{name} done{times}: {text}", "change", time_s)
            self._results[name] = f"{format_clock(time_s)}: {text}"
            self._done.append(Marker(time_s, f"{name}: {text}"))
        if batch.lost:
            self.tell(f"{batch.lost} events were overwritten before they were read", "failure")

    # --- what is told ---

    def take_new_entries(self) -> list[LogEntry]:
        """Lines since the last call, changes of tunables included."""
        self.journal.tell_changes(self.settings)
        return self.journal.take_new()

    def markers(self) -> list[Marker]:
        """Changes of tunables during the recording, notes, and actions where they were done."""
        if self.target is None:
            return []
        start_s, tunables = self.target.recorder.start_s, self.settings.tunables
        changes: list[Marker] = []
        former = ""
        for change in self.settings.changes.entries(start_s):
            # The first change of an experiment stands for all its blocks, which would hide the charts.
            is_told = change.cause == former == EXPERIMENT
            former = change.cause
            if not is_told and not change.after.keys().isdisjoint(tunables):
                text = describe_change(tunables, change.before, change.after)
                changes.append(Marker(change.time_s - start_s, text))
        return sorted(
            [*changes[-MAXIMUM_MARKERS:], *self._notes, *self._done[-MAXIMUM_MARKERS:]],
            key=lambda marker: marker.time_s,
        )

    def describe_actions(self) -> list[ActionState]:
        """What the process can be asked to do, and what came of it last."""
        block = self.target.allocator_block if self.target and self.is_process_alive else None
        counts = block.action_counts() if block else {}
        waiting = [name for name, (asked, done) in counts.items() if asked > done]
        return [
            {
                "action": action,
                "can_act": block is not None,
                "note": "asked for" if name in waiting else self._results.get(name, ""),
            }
            for name, action in self.settings.actions.items()
        ]

    def elapsed_s(self) -> float:
        """Seconds of the run without pauses."""
        if self.target is None:
            return 0.0
        if self.is_process_alive:
            with contextlib.suppress(WorkbenchError):
                return self.target.elapsed_s()
        return self._ended_elapsed_s

    def progress(self) -> float | None:
        """Share that is done; None where there is no end in sight."""
        target = self.target
        if target is None:
            return 0.0
        if target.is_endless or target.spec is None:
            return None if self.is_process_alive else 0.0
        if isinstance(target.run, StartedRun) and (
            target.spec.operations is not None or target.spec.ends_itself
        ):
            return target.run.progress() if self.is_process_alive else 1.0
        return min(1.0, self.elapsed_s() / target.spec.length_s)

    @request()
    def pin(self) -> None:
        """Keeps the recording as baseline of those that follow."""
        if self.target is None or not self.charts:
            return
        recorder = self.target.recorder
        self.pinned = PinnedRun(
            recorder.history.view(), self.charts, recorder.mean_throughput(), self._work()
        )
        self.target.heap_view.pin()
        self.tell(f"pinned {self.target.subject}")

    def _work(self) -> tuple[object, ...] | None:
        """What runs, whatever allocator it is under: only rates of the same work can be compared."""
        spec = self.shown_spec
        if self.target is None or self.target.run is None or spec is None:
            return None
        return spec["workload"], spec["trace"], spec["command"], spec["parameters"]

    @request()
    def unpin(self) -> None:
        """Lets the baseline go."""
        self.pinned = None
        if self.target is not None:
            self.target.heap_view.unpin()

    def write_status(self) -> str:
        """The status line."""
        target = self.target
        if target is None:
            return self.note or "ready: choose a workload and press Start, or attach to a running process"
        if not self.is_process_alive:
            return self.note
        recorder = target.recorder
        to = " to" if self.state == "attached" else ""
        facts = [f"{self.state}{to} {target.subject}"]
        rate = recorder.throughput()
        if not math.isnan(rate):
            facts.append(f"{format_rate(rate)} ops/s{self._compare_rate(rate)}")
        resident_bytes = recorder.history.last("resident_bytes")
        if not math.isnan(resident_bytes):
            facts.append(f"{resident_bytes / 2**20:.1f} MiB resident")
        parts = ", ".join(facts), self._describe_adoption(target), self.note or self.keeper.problem
        return "; ".join(part for part in parts if part)

    def _compare_rate(self, rate: float) -> str:
        """The rate beside that of the pinned run, if it did the same work."""
        pinned = self.pinned
        if pinned is None or pinned.work is None or pinned.work != self._work():
            return ""
        if not pinned.operations_per_s > 0:  # nor NaN
            return ""
        percent = (rate / pinned.operations_per_s - 1) * 100
        sign = "−" if percent < 0 else "+"
        return f" ({sign}{abs(percent):.0f} % against the pinned run)"

    def _describe_adoption(self, target: Target) -> str:
        """The latest change, for a while, and how many threads act on it."""
        since_s = max(target.recorder.start_s, time.monotonic() - CHANGE_SHOWN_S)
        changes = self.settings.changes.entries(since_s)
        if not changes or target.allocator_block is None:
            return ""
        try:
            adoption = target.allocator_block.adoption()
        except WorkbenchError:
            return ""
        last = changes[-1]
        who = "" if last.cause == YOU else f"{last.cause}: "
        text = who + describe_change(self.settings.tunables, last.before, last.after, most=1)
        if last.after.keys().isdisjoint(self.settings.tunables):
            return self._done[-1].text if self._done else text
        if not adoption.threads:
            return text
        threads = "thread" if adoption.threads == 1 else "threads"
        return f"{text} adopted by {adoption.adopted} of {adoption.threads} {threads}"

    def find_processes(self) -> list[Choice]:
        """Processes and groups one may attach to; not our run."""
        target = self.target
        return find_targets(target.pids() if target is not None and target.run is not None else ())
