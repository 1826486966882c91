"""What the views are told besides frames; each part is sent when it differs from what was sent last."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from workbench.allocators import Allocator, allocators, rows
from workbench.control import Tunable
from workbench.datasets import known_datasets
from workbench.errors import WorkbenchError
from workbench.export import FORMATS
from workbench.panel import protocol
from workbench.panel.actions import Actions
from workbench.panel.controls import describe_controls
from workbench.panel.experimenter import Experimenter
from workbench.panel.heap import describe_sampling
from workbench.panel.programs import COMMAND, COMMAND_HELP, find_programs
from workbench.panel.session import LiveSession
from workbench.panel.target import ENDLESS_S, Target
from workbench.panel.tuner import Tuner
from workbench.panel.whatif import NO_CURVES
from workbench.probes import process_probes
from workbench.sessions.recorder import WHERE_CHART
from workbench.traces import SUFFIX
from workbench.workloads import REPLAY, get_workload, known_workloads

# The workload that a form shows before another is chosen.
FIRST_CHOICE = "phases"
PROCESSES_INTERVAL_S = 2.0
TRACES_INTERVAL_S = 3.0
MAXIMUM_TRACE_FILES = 50


class StateBook:
    """Parts of the state, and what of them the views know.

    `actions` tells of presets, `tuner` of studies, `experimenter` of live experiments.
    """

    def __init__(
        self,
        session: LiveSession,
        actions: Actions,
        tuner: Tuner | None = None,
        experimenter: Experimenter | None = None,
    ) -> None:
        self.message = ""
        self.is_fresh = True
        self._session = session
        self._actions = actions
        self._tuner = tuner
        self._experimenter = experimenter
        self._sent: dict[str, object] = {}
        # Costly to describe, so described once for each table of tunables.
        self._tunables: Mapping[str, Tunable] = {}
        self._controls: list[protocol.ControlGroup] = []
        # What is slow to find is kept as long as the number of the interval is the same.
        self._traces = functools.lru_cache(maxsize=1)(lambda _: find_traces())
        self._programs = functools.lru_cache(maxsize=1)(lambda _: find_programs())
        self._processes = functools.lru_cache(maxsize=1)(lambda _: session.find_processes())

    def forget(self) -> None:
        """A view came: everything is sent again."""
        self._sent.clear()
        self.is_fresh = True

    def take_changes(self) -> protocol.StateParts:
        """Parts that changed since the last call."""
        parts = self._describe()
        changed = {
            name: part for name, part in parts.items() if name not in self._sent or self._sent[name] != part
        }
        self._sent.update(changed)
        if "controls" in changed and "values" in parts:
            changed["values"] = parts["values"]
        return cast(protocol.StateParts, changed)

    @functools.cached_property
    def _fixed(self) -> protocol.StateParts:
        """What does not change."""
        return {
            "workloads": _describe_workloads(),
            "allocators": _describe_allocators(),
            "probes": [
                protocol.Choice(name, name, probe.metric.help)
                for name, probe in process_probes(os.getpid()).items()
            ],
        }

    def _describe(self) -> protocol.StateParts:
        """All parts as they are now."""
        session, settings = self._session, self._session.settings
        if self._tunables is not settings.tunables:
            self._tunables = settings.tunables
            self._controls = describe_controls(self._tunables.values())
        parts: protocol.StateParts = {
            **self._fixed,
            "formats": _describe_formats(settings.allocator),
            "controls": self._controls,
            "charts": session.charts,
            "gaps": session.probes.gaps | _describe_memory_gap(session),
            "processes": self._processes(time.monotonic() // PROCESSES_INTERVAL_S),
            "traces": self._traces(time.monotonic() // TRACES_INTERVAL_S),
            "programs": self._programs(time.monotonic() // TRACES_INTERVAL_S),
            "history": settings.describe_history(),
            "run": {
                "state": session.state if session.is_active else "idle",
                "is_pinned": session.pinned is not None,
                "spec": session.shown_spec,
                "can_pin": session.target is not None and bool(session.charts),
            },
            "recording": session.keeper.describe(),
            "clock": _describe_clock(session),
            "status": {"text": session.write_status(), "state": session.state},
            "error": "\n".join(text for text in (session.error, settings.error) if text),
            "markers": session.markers(),
            "message": self.message,
        }
        if self._tuner is not None:
            parts["tuning"] = self._tuner.describe()
        if self._experimenter is not None:
            parts["experiment"] = self._experimenter.describe()
        # A process that ended just now has no values; the next step unbinds it.
        with contextlib.suppress(WorkbenchError):
            parts["values"] = settings.describe()
            parts["actions"] = session.describe_actions()
            parts["presets"] = self._actions.describe_presets()
            parts["sampling"] = _describe_sampling(session)
        parts["whatif"] = (session.target.whatif.latest if session.target else None) or NO_CURVES
        parts["heap"] = _describe_heap(session.target)
        return parts


def _describe_memory_gap(session: LiveSession) -> dict[str, str]:
    if session.target is None or not session.is_process_alive:
        return {}
    memory = session.target.memory
    reason = memory.reason or "; ".join(memory.latest.notes if memory.latest is not None else ())
    return {WHERE_CHART: reason} if reason else {}


def _describe_sampling(session: LiveSession) -> protocol.Sampling:
    settings = session.settings
    row = session.target.allocator if session.target is not None and session.is_process_alive else None
    return describe_sampling(row, settings.tunables, settings.requested())


def _describe_heap(target: Target | None) -> protocol.HeapChart:
    if target is not None and target.heap.latest is not None:
        return target.heap.latest
    note = target.heap.reason if target is not None else ""
    return {"note": note, "icicle": None, "growth": "", "rows": []}


def _describe_clock(session: LiveSession) -> protocol.Clock:
    target = session.target
    length_s = target.spec.length_s if target is not None and target.spec and not target.is_endless else 0.0
    return {
        # Tenths, so that a clock that stands still is not sent again and again.
        "elapsed_s": round(session.elapsed_s(), 1),
        "total_s": length_s if length_s < ENDLESS_S else 0.0,
        "progress": session.progress(),
        "is_moving": session.is_process_alive and session.state != "paused",
    }


def _describe_workloads() -> list[protocol.Workload]:
    # A form shows a replay that goes on until Stop, as any other workload does.
    replay = get_workload(REPLAY)
    endless = tuple(replace(one, default=0.0) if one.name == "loops" else one for one in replay.parameters)
    described: list[protocol.Workload] = [
        {
            "name": workload.name,
            "help": workload.help,
            "threads": workload.default_threads,
            "needs_trace": workload.name == REPLAY,
            "needs_command": False,
            "is_first_choice": workload.name == FIRST_CHOICE,
            "parameters": workload.parameters,
        }
        for workload in (*known_workloads().values(), replace(replay, parameters=endless))
    ]
    program: protocol.Workload = {
        "name": COMMAND,
        "help": COMMAND_HELP,
        "threads": 1,
        "needs_trace": False,
        "needs_command": True,
        "is_first_choice": False,
        "parameters": (),
    }
    return [*described, program]


def _describe_formats(allocator: Allocator) -> list[protocol.ExportFormat]:
    return [
        {"name": form.name, "label": form.title, "file_name": form.name_file(allocator.name)}
        for form in FORMATS.values()
        if allocator.macros or form is not FORMATS["header"]
    ]


def _describe_allocators() -> list[protocol.Allocator]:
    described = []
    for one in allocators():
        label = f"{one.name} {one.version or ''}".rstrip() if one.available else f"{one.name} (not installed)"
        note = "" if one.is_tunable else f"{one.name} has no tunables; they wait for another."
        described.append(protocol.Allocator(one.name, label, one.available, one.remedy, note))
        note = "Exploratory, in the kernel's process; failed checks are refused and counted."
        described += [
            protocol.Allocator(row.name, f"{row.name} (exploratory)", note=note)
            for row in rows()
            if row.in_process == one.name and one.available
        ]
    return described


def find_traces() -> list[protocol.Choice]:
    """What can be replayed: datasets by name, then the files of the folder, newest first."""
    found: list[protocol.Choice] = []
    with contextlib.suppress(WorkbenchError):
        found += [protocol.Choice(name, card.help) for name, card in known_datasets().items()]
    dated = []
    for path in Path().glob(f"*{SUFFIX}"):
        with contextlib.suppress(OSError):  # it is gone again
            dated.append((path.stat().st_mtime_ns, path))
    newest = sorted(dated, reverse=True)[:MAXIMUM_TRACE_FILES]
    found += [protocol.Choice(str(path), "in this folder") for _, path in newest]
    return found
