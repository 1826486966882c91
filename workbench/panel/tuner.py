"""A study on the workload of the panel, in a thread of its own; what it finds is told as it comes.

The study is a file like any other: `workbench tune FILE` goes on with it, and with what was measured here.
"""

from __future__ import annotations

import datetime
import functools
import logging
import queue
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import tomlkit

from workbench.allocators import DEFAULT_ALLOCATOR, Row, get_allocator
from workbench.control import Value
from workbench.errors import BadParameter, WorkbenchError
from workbench.panel.messages import RunForm, TrialRow, Tune, Tuning
from workbench.panel.requests import read_request, read_seconds, read_whole
from workbench.panel.traces import name_trace
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
    """One study at a time.

    Parameters
    ----------
    folder : Path
        Where studies are kept.
    measure : callable, optional
        Measures a run; `measure_run` unless given.
    """

    def __init__(self, folder: Path, measure: Measurer | None = None) -> None:
        self._folder = folder
        self._measure = measure
        self._lock = threading.Lock()
        self._best: dict[str, Value] = {}
        self._stop = threading.Event()
        self._injected: queue.SimpleQueue[dict[str, Value]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._started_s = 0.0
        self._groups: dict[str, list[str]] = {}
        self._allocator = DEFAULT_ALLOCATOR
        self._list_groups()
        # What the views see; replaced field by field under the lock.
        self._told = self._tell_nothing()

    @property
    def is_running(self) -> bool:
        """Whether a study goes on."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def best(self) -> dict[str, Value]:
        """Settings of the best so far; empty while nothing beats the defaults."""
        with self._lock:
            return dict(self._best)

    def choose(self, row: Row) -> None:
        """The form shows another allocator: the next study is of its tunables."""
        if row.is_tunable:
            self._allocator = row.in_process or row.name
            self._list_groups()
            self._tell(groups=list(self._groups))

    def _list_groups(self) -> None:
        self._groups = {}
        for tunable in get_allocator(self._allocator).tunables.values():
            self._groups.setdefault(tunable.group, []).append(tunable.name)

    def _tell_nothing(self) -> Tuning:
        return {
            "state": "idle",
            "text": "",
            "path": "",
            "objectives": (),
            "is_less_better": False,
            "done": 0,
            "left": 0,
            "left_s": 0.0,
            "points": [],
            "rows": [],
            "best": "",
            "lines": [],
            "has_best": False,
            "groups": list(self._groups),
            "goals": list(OBJECTIVES),
        }

    def start(self, request: Tune) -> Path:
        """Begin a study.

        Parameters
        ----------
        request : Tune
            What is asked for; its objective is one of `OBJECTIVES`.

        Returns
        -------
        Path
            The study's file.

        Raises
        ------
        WorkbenchError
            If something in it is wrong, with the field and the remedy; or a study goes on.
        """
        self._check_idle()
        return self._begin(self._write(request))

    def go_on(self, path: Path) -> Path:
        """Go on with a study that was stopped, by its file.

        Raises
        ------
        WorkbenchError
            If the file cannot be read, or a study goes on.
        """
        from workbench.tuning import read_study

        self._check_idle()
        read_study(path)
        return self._begin(path)

    def _check_idle(self) -> None:
        if self.is_running:
            raise BadParameter("a study goes on already: stop it first")

    def _begin(self, path: Path) -> Path:
        with self._lock:
            self._told = {**self._tell_nothing(), "state": "running", "text": "beginning", "path": str(path)}
            self._best = {}
        self._stop.clear()
        self._started_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, args=(path,), name="workbench-tuner", daemon=True)
        self._thread.start()
        return path

    def stop(self) -> None:
        """Ask the study to end; what was measured is kept."""
        if self.is_running:
            self._stop.set()
            self._tell(state="stopping", text="stopping")

    def inject(self, values: Mapping[str, Value]) -> None:
        """Queue settings as the next trial; those that the study does not search are left out.

        Raises
        ------
        BadParameter
            If no study goes on.
        """
        if not self.is_running:
            raise BadParameter("tuning: no study goes on that could try these values; press Tune first")
        self._injected.put(dict(values))

    def close(self) -> None:
        """End it, and wait. A thread that waits for another measurement ends when that does."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)

    def describe(self) -> Tuning:
        """What the views show."""
        with self._lock:
            return self._told

    # --- before it begins ---

    def _write(self, request: Tune) -> Path:
        """Write the study's file, and see that it can be run."""
        from workbench.tuning import read_study

        if request.objective not in OBJECTIVES:
            raise BadParameter(f"objective: '{request.objective}' is none of {', '.join(OBJECTIVES)}")
        names = list(request.tunables)
        if not names and request.group not in self._groups:
            raise BadParameter(f"search: '{request.group}' is none of {', '.join(self._groups)}")
        trials = read_whole("trials", request.trials, 1, MAXIMUM_TRIALS)
        seconds = read_seconds(request.seconds)
        if seconds == 0:
            raise BadParameter("seconds: a run of a study has an end; give its length")
        given: RunForm = {**request.spec, "allocator": self._allocator, "operations": 0}
        spec, _ = read_request(given, {})
        document = tomlkit.document()
        document.add("objectives", list(OBJECTIVES[request.objective]))
        document.add("trials", trials)
        document.add("rounds", _ROUNDS)
        if self._allocator != DEFAULT_ALLOCATOR:
            document.add("allocator", self._allocator)
        document.add("search", names or self._groups[request.group])
        works = tomlkit.aot()
        works.append(tomlkit.item(_describe_work(spec, seconds)))
        document.add("works", works)
        held_out = tomlkit.table()
        held_out.add("rounds", _HELD_OUT_ROUNDS)
        document.add("held_out", held_out)
        path = self._find_path(spec.title.replace(" ", "-"))
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
        return path

    def _find_path(self, title: str) -> Path:
        stamp = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
        name, number = f"{stamp}_{title}", 1
        while (path := self._folder / f"{name}.toml").exists():
            number += 1
            name = f"{stamp}_{title}_{number}"
        return path

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
        from workbench.tuning.objective import OBJECTIVES as MEASURES

        measure = self._measure or functools.partial(measure_run, observe=lambda _: self._check())
        study = Study.open(read_study(path), path, measure=measure)
        objectives = study.plan.objectives
        self._tell(objectives=objectives, is_less_better=not MEASURES[objectives[0]].is_higher_better)

        def tell_step(step: StudyStep) -> None:
            self._note_step(step)
            self._take_injected(study)
            self._check()

        def tell_candidate(_: Candidate) -> None:
            self._note_candidates(study)
            self._check()

        study.run(None, tell_step, tell_candidate)
        total, done = study.count_held_out(), 0

        def tell_run(_: Result) -> None:
            nonlocal done
            done += 1
            self._tell(text=f"the winner meets the defaults with other seeds: run {done} of {total}")
            self._tell(done=done, left=total - done, left_s=0.0)
            self._check()

        held_out = study.compare_held_out(tell_run)
        lines = ["nothing beats the defaults: keep them"] if held_out is None else held_out.describe()
        self._tell(state="done", text="done", lines=lines)

    def _take_injected(self, study: Study) -> None:
        while not self._injected.empty():
            given = self._injected.get()
            names = study.plan.space.names
            try:
                study.inject({name: value for name, value in given.items() if name in names})
            except WorkbenchError as error:
                self._tell(lines=[f"these values cannot be tried: {error}"])
            else:
                self._tell(lines=["the values of the panel are tried next"])

    def _check(self) -> None:
        if self._stop.is_set():
            raise _StoppedError

    def _note_step(self, step: StudyStep) -> None:
        left_s = (time.monotonic() - self._started_s) / step.runs * step.runs_left
        text = f"trial {step.number}, round {step.round + 1}; {step.finished} of {step.goal} trials"
        if not self._stop.is_set():
            self._tell(text=text)
        self._tell(done=step.runs, left=step.runs_left, left_s=round(left_s))

    def _note_candidates(self, study: Study) -> None:
        known = get_allocator(study.plan.allocator).tunables

        def write(settings: Mapping[str, Value]) -> str:
            return ", ".join(
                f"{name} {known[name].format(value)}"
                for name, value in settings.items()
                if value != known[name].default
            )

        finished = [one for one in study.list_candidates() if one.is_finished]
        points = [(one.number, one.values[0], one.outcome) for one in finished if one.values]
        rows: list[TrialRow] = [
            {
                "number": one.number,
                "outcome": one.outcome,
                "ratios": [round(value, 3) for value in one.values],
                "settings": one.reason or write(one.settings),
            }
            for one in finished[-_SHOWN:]
        ]
        winners = study.find_winners()
        best = ""
        if winners:
            pairs = zip(study.plan.objectives, winners[0].values, strict=True)
            told = ", ".join(f"{name.replace('_', ' ')} × {value:.3f}" for name, value in pairs)
            place = "on the front, " if len(study.plan.objectives) > 1 else ""
            best = f"{place}{winners[0].name}: {told}; {write(winners[0].settings)}"
        with self._lock:
            self._best = study.best_settings()
        self._tell(points=points[-_MOST_POINTS:], rows=rows[::-1], best=best, has_best=bool(self._best))

    def _tell(self, **parts: Any) -> None:
        with self._lock:
            self._told = cast(Tuning, {**self._told, **parts})


def _describe_work(spec: Run, seconds: float) -> dict[str, Any]:
    """A run of the form as a work of a study file, with an end."""
    parameters = {name: int(value) for name, value in spec.parameters.items()}
    if spec.trace is not None:
        parameters["loops"] = 0
        return {
            "workload": spec.workload,
            "trace": _name_trace(Path(spec.trace)),
            "seconds": seconds,
            "parameters": parameters,
        }
    return {
        "workload": spec.workload,
        "threads": spec.resolve().threads,
        "seconds": seconds,
        "parameters": parameters,
    }


def _name_trace(path: Path) -> str:
    """A dataset's name, or a path that does not depend on where the study's file is."""
    name = name_trace(path)
    return name if not Path(name).suffix else str(path.resolve())
