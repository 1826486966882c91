"""A study on the workload of the panel, in a thread of its own; what it finds is told as it comes.

The study is a file like any other: `workbench tune FILE` goes on with it, and with what was measured here.
"""

from __future__ import annotations

import datetime
import functools
import itertools
import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import tomlkit

from workbench.allocators import get_allocator
from workbench.control import Value
from workbench.errors import BadParameter, WorkbenchError
from workbench.panel.forms import name_trace, read_form, read_seconds, read_whole
from workbench.panel.protocol import Number, RunForm, TrialRow, Tuning
from workbench.panel.requests import request
from workbench.panel.session import LiveSession
from workbench.plots import follow_study
from workbench.processes import Run

if TYPE_CHECKING:
    from workbench.experiments import Result
    from workbench.experiments.execution import Measurer
    from workbench.tuning import Candidate, Study, StudyStep

OBJECTIVES: Mapping[str, tuple[str, ...]] = {
    "throughput": ("throughput",),
    "peak memory": ("peak_memory",),
    "both": ("throughput", "peak_memory"),
}
MAXIMUM_TRIALS = 10_000
_ROUNDS = 10
_HELD_OUT_ROUNDS = 14
_SHOWN = 8
_MOST_POINTS = 300
_JOIN_S = 10.0

logger = logging.getLogger(__name__)


class _StoppedError(Exception):
    """Somebody pressed Stop."""


class Tuner:
    """One study at a time. What cannot be done raises a WorkbenchError with the field and the remedy.

    Parameters
    ----------
    folder : Path
        Where studies are kept.
    session : LiveSession
        Whose allocator is tuned, and where the best goes.
    measure : callable, optional
        Measures a run; `measure_run` unless given.
    """

    def __init__(self, folder: Path, session: LiveSession, measure: Measurer | None = None) -> None:
        self._folder = folder
        self._session = session
        self._measure = measure
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._injected: queue.SimpleQueue[dict[str, Value]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._started_s = 0.0
        # Replaced as a whole, under the lock.
        self._told = Tuning(goals=list(OBJECTIVES))
        #: Settings of the best so far; empty while nothing beats the defaults.
        self.best: Mapping[str, Value] = {}

    @property
    def is_running(self) -> bool:
        """Whether a study goes on."""
        return self._thread is not None and self._thread.is_alive()

    def _find_groups(self) -> dict[str, list[str]]:
        """Tunables of each component of the allocator that the form shows."""
        groups: dict[str, list[str]] = {}
        for tunable in self._session.settings.allocator.tunables.values():
            groups.setdefault(tunable.group, []).append(tunable.name)
        return groups

    @request("tune")
    def start(
        self,
        spec: RunForm,
        objective: str,
        trials: Number,
        seconds: Number,
        group: str = "",
        tunables: Sequence[str] = (),
    ) -> None:
        """Begin a study of the tunables of a component (`group`), or of those named.

        The objective is one of `OBJECTIVES`. So many `trials` are made, settings that are tried in runs of so
        many `seconds`.
        """
        from workbench.tuning import read_study

        self._check_idle()
        if objective not in OBJECTIVES:
            raise BadParameter(f"objective: '{objective}' is none of {', '.join(OBJECTIVES)}")
        groups = self._find_groups()
        if not tunables and group not in groups:
            raise BadParameter(f"search: '{group}' is none of {', '.join(groups)}")
        length_s = read_seconds(seconds)
        if length_s == 0:
            raise BadParameter("seconds: a run of a study has an end; give its length")
        allocator = self._session.settings.allocator.name
        run = read_form({**spec, "allocator": allocator, "operations": 0}, {})
        if run.command:
            raise BadParameter(
                "a study of a program is a file: give it to `workbench tune` (docs/tuning.md); a process "
                "that runs is tuned by `workbench tune-live`"
            )
        document = {
            "objectives": OBJECTIVES[objective],
            "trials": read_whole("trials", trials, 1, MAXIMUM_TRIALS),
            "rounds": _ROUNDS,
            "allocator": allocator,
            "search": list(tunables) or groups[group],
            "works": [_describe_work(run, length_s)],
            "held_out": {"rounds": _HELD_OUT_ROUNDS},
        }
        path = find_new_path(self._folder, run.title.replace(" ", "-"), ".toml")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(tomlkit.dumps(document), encoding="utf-8")
        except OSError as error:
            raise BadParameter(f"{path}: {error.strerror}; a study needs a folder it can write to") from None
        try:
            read_study(path)
        except WorkbenchError:
            path.unlink(missing_ok=True)
            raise
        self._begin(path)

    @request("resume_tuning")
    def go_on(self, path: str) -> None:
        """Go on with a study that was stopped, by its file."""
        from workbench.tuning import read_study

        self._check_idle()
        read_study(Path(path))
        self._begin(Path(path))

    def _check_idle(self) -> None:
        if self.is_running:
            raise BadParameter("a study goes on already: stop it first")

    def _begin(self, path: Path) -> None:
        self._told = Tuning(state="running", text="beginning", path=str(path), goals=list(OBJECTIVES))
        self.best = {}
        self._stop.clear()
        self._started_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(path,), name="workbench-tuner", daemon=True)
        self._thread.start()
        self._session.tell(f"tuning: {path}")

    @request("stop_tuning")
    def stop(self) -> None:
        """Ask the study to end; what was measured is kept."""
        if self.is_running:
            self._stop.set()
            self._tell(state="stopping", text="stopping")

    @request()
    def try_values(self) -> None:
        """Queue the values of the panel as the next trial; those that are not searched are left out."""
        if not self.is_running:
            raise BadParameter("tuning: no study goes on that could try these values; press Tune first")
        self._injected.put(self._session.settings.requested())

    @request()
    def apply_best(self) -> None:
        """Set the best settings of the study."""
        if not self.best:
            raise BadParameter("tuning: nothing beats the defaults so far; there is nothing to apply")
        self._session.settings.apply(self.best, "tuned")

    def close(self) -> None:
        """End it, and wait. A thread that waits for another measurement ends when that does."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)

    def describe(self) -> Tuning:
        """What the views show."""
        return msgspec.structs.replace(self._told, groups=list(self._find_groups()))

    # --- the tuner's thread ---

    def _run(self, path: Path) -> None:
        try:
            self._search(path)
        except _StoppedError:
            self._tell(state="stopped", text=f"stopped; `workbench tune {path}` goes on with it")
        except WorkbenchError as error:
            self._tell(state="failed", text=str(error))
        except Exception as error:
            logger.exception("the panel's study")
            self._tell(state="failed", text=f"unexpected {type(error).__name__}: {error}")

    def _search(self, path: Path) -> None:
        from workbench.experiments import measure_run
        from workbench.tuning import Study, read_study

        measure = self._measure or functools.partial(measure_run, observe=lambda _: self._check())
        study = Study.open(read_study(path), path, measure=measure)
        self._tell(objectives=study.plan.objectives)

        def tell_step(step: StudyStep) -> None:
            left_s = (time.monotonic() - self._started_s) / step.runs * step.runs_left
            self._tell(done=step.runs, left=step.runs_left, left_s=round(left_s))
            self._take_injected(study)
            self._check()
            self._tell(
                text=f"trial {step.number}, round {step.round + 1}; {step.finished} of {step.goal} trials"
            )

        def tell_candidate(_: Candidate) -> None:
            self._note_candidates(study)
            self._check()

        study.run(None, tell_step, tell_candidate)
        total, done = study.count_held_out(), 0

        def tell_run(_: Result) -> None:
            nonlocal done
            done += 1
            text = f"the winner meets the defaults with other seeds: run {done} of {total}"
            self._tell(text=text, done=done, left=total - done, left_s=0.0)
            self._check()

        held_out = study.compare_held_out(tell_run)
        lines = ["nothing beats the defaults: keep them"] if held_out is None else held_out.describe()
        self._tell(state="done", text="done", lines=lines)

    def _take_injected(self, study: Study) -> None:
        while not self._injected.empty():
            given = self._injected.get()
            told = "the values of the panel are tried next"
            try:
                study.inject({name: given[name] for name in study.plan.space.names if name in given})
            except WorkbenchError as error:
                told = f"these values cannot be tried: {error}"
            self._tell(lines=[told])

    def _check(self) -> None:
        if self._stop.is_set():
            raise _StoppedError

    def _note_candidates(self, study: Study) -> None:
        known = get_allocator(study.plan.allocator).tunables

        def write(settings: Mapping[str, Value]) -> str:
            return ", ".join(
                f"{name} {known[name].format(value)}"
                for name, value in settings.items()
                if value != known[name].default
            )

        finished = [one for one in study.list_candidates() if one.is_finished]
        objective, is_higher_better = study.plan.objectives[0], study.plan.measures[0].is_higher_better
        course = follow_study(study.to_frame(), objective, is_higher_better=is_higher_better)
        points = list(course.tail(_MOST_POINTS).itertuples(index=False, name=None))
        rows = [
            TrialRow(
                one.number,
                one.outcome,
                [round(value, 3) for value in one.values],
                one.reason or write(one.settings),
            )
            for one in finished[-_SHOWN:]
        ]
        best = ""
        for winner in study.find_winners()[:1]:
            pairs = zip(study.plan.objectives, winner.values, strict=True)
            told = ", ".join(f"{name.replace('_', ' ')} × {value:.3f}" for name, value in pairs)
            place = "on the front, " if len(study.plan.objectives) > 1 else ""
            best = f"{place}{winner.name}: {told}; {write(winner.settings)}"
        self.best = study.best_settings()
        self._tell(points=points, rows=rows[::-1], best=best, has_best=bool(self.best))

    def _tell(self, **parts: Any) -> None:
        with self._lock:
            self._told = msgspec.structs.replace(self._told, **parts)


def find_new_path(folder: Path, title: str, suffix: str = "") -> Path:
    """A path of that title and of this second at which there is nothing yet."""
    stem = f"{datetime.datetime.now():%Y-%m-%d_%H-%M-%S}_{title}"
    names = (f"{stem}_{number}" if number > 1 else stem for number in itertools.count(1))
    return next(path for name in names if not (path := folder / f"{name}{suffix}").exists())


def _describe_work(run: Run, seconds: float) -> dict[str, Any]:
    """A run of the form as a work of a study file, with an end."""
    parameters = {name: int(value) for name, value in run.parameters.items()}
    work: dict[str, Any] = {"workload": run.workload, "seconds": seconds, "parameters": parameters}
    if run.trace is None:
        return {**work, "threads": run.resolve().threads}
    # A dataset's name, or a path that does not depend on where the study's file is.
    path = Path(run.trace)
    name = name_trace(path)
    trace = str(path.resolve()) if Path(name).suffix else name
    return {**work, "trace": trace, "parameters": {**parameters, "loops": 0}}
