"""What the views are told besides frames; each part is sent when it differs from what was sent last."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import cast

from workbench.allocators import Preset, allocators, rows
from workbench.control import Tunable
from workbench.errors import WorkbenchError
from workbench.export import FORMATS
from workbench.panel import messages
from workbench.panel.controls import describe_controls
from workbench.panel.session import LiveSession
from workbench.panel.target import ENDLESS_S
from workbench.panel.traces import TraceList
from workbench.panel.tuner import Tuner
from workbench.plots import Chart
from workbench.sessions import PresetStore, shipped_presets
from workbench.workloads import REPLAY, Workload, get_workload, known_workloads

# The workload that a form shows before another is chosen.
FIRST_CHOICE = "phases"
PROCESSES_INTERVAL_S = 2.0


class StateBook:
    """Parts of the state, and what of them the views know.

    Parameters
    ----------
    presets : PresetStore
        Where saved presets are.
    tuner : Tuner, optional
        What is told of studies.
    """

    def __init__(self, presets: PresetStore, tuner: Tuner | None = None) -> None:
        self.message = ""
        self.is_fresh = True
        self._store = presets
        self._tuner = tuner
        self._sent: dict[str, object] = {}
        self._processes: list[messages.Process] = []
        self._processes_until_s = 0.0
        self._fixed: messages.StateParts | None = None
        # Costly to describe, so described once for each table of tunables.
        self._tunables: Mapping[str, Tunable] = {}
        self._controls: list[messages.ControlGroup] = []
        self._traces = TraceList()
        self._saved: tuple[Preset, ...] | None = None

    def forget(self) -> None:
        """A view came: everything is sent again."""
        self._sent.clear()
        self.is_fresh = True

    def load_presets(self, session: LiveSession, *, anew: bool = False) -> tuple[Preset, ...]:
        """Presets of the allocator that ship and those that were saved of it."""
        if self._saved is None or anew:
            self._saved = self._store.load()
        row = session.target.allocator if session.target else session.settings.allocator
        tunables = session.settings.tunables
        saved = (one for one in self._saved if not one.values or any(name in tunables for name in one.values))
        return (*shipped_presets(row), *saved)

    def take_changes(self, session: LiveSession) -> messages.StateParts:
        """Parts that changed since the last call."""
        parts = self._describe(session)
        changed = {name: part for name, part in parts.items() if not self._is_known(name, part)}
        self._sent.update(changed)
        if "controls" in changed and "values" in parts:
            changed["values"] = parts["values"]
        return cast(messages.StateParts, changed)

    def _is_known(self, name: str, part: object) -> bool:
        sent = self._sent.get(name)
        return name in self._sent and (sent is part or sent == part)

    def _describe(self, session: LiveSession) -> messages.StateParts:
        """All parts as they are now."""
        if self._fixed is None:
            self._fixed = {
                "workloads": _describe_workloads(),
                "allocators": _describe_allocators(),
                "formats": _describe_formats(),
            }
        parts: messages.StateParts = {**self._fixed}
        settings = session.settings
        if self._tunables is not settings.tunables:
            self._tunables = settings.tunables
            self._controls = describe_controls(self._tunables.values())
        parts["controls"] = self._controls
        parts["charts"] = [_describe_chart(chart) for chart in session.charts]
        parts["processes"] = self._find_processes(session)
        parts["traces"] = self._traces.find()
        try:
            parts["values"] = settings.describe()
            parts["presets"] = self._describe_presets(session)
        except WorkbenchError:
            # The process ended just now; the next step unbinds it.
            pass
        parts["history"] = settings.describe_history()
        parts["run"] = {
            "state": session.state if session.is_process_alive else "idle",
            "is_pinned": session.pinned is not None,
            "spec": session.shown_spec,
            "can_pin": session.target is not None and bool(session.charts),
        }
        parts["recording"] = session.keeper.describe()
        if self._tuner is not None:
            parts["tuning"] = self._tuner.describe()
        parts["clock"] = _describe_clock(session)
        parts["status"] = {"text": session.write_status(), "state": session.state}
        parts["error"] = "\n".join(text for text in (session.error, settings.error) if text)
        parts["markers"] = [{"time": marker.time_s, "text": marker.text} for marker in session.markers()]
        parts["message"] = self.message
        return parts

    def _describe_presets(self, session: LiveSession) -> messages.Presets:
        presets = self.load_presets(session)
        return {
            "names": [
                {"name": preset.name, "help": preset.help, "is_saved": preset.is_saved} for preset in presets
            ],
            "current": session.settings.matching_preset(presets),
        }

    def _find_processes(self, session: LiveSession) -> list[messages.Process]:
        now_s = time.monotonic()
        if now_s >= self._processes_until_s:
            self._processes_until_s = now_s + PROCESSES_INTERVAL_S
            self._processes = [
                {
                    "path": str(info.path),
                    "label": f"{info.pid} {info.command[:40]}",
                    "command": info.command,
                }
                for info in session.find_processes()
            ]
        return self._processes


def _describe_clock(session: LiveSession) -> messages.Clock:
    target = session.target
    total_s = 0.0
    if target is not None and target.spec is not None and not target.is_endless:
        total_s = 0.0 if target.spec.length_s >= ENDLESS_S else target.spec.length_s
    return {
        # Tenths, so that a clock that stands still is not sent again and again.
        "elapsed_s": round(session.elapsed_s(), 1),
        "total_s": total_s,
        "progress": session.progress(),
        "is_moving": session.is_process_alive and session.state != "paused",
    }


def _describe_chart(chart: Chart) -> messages.Chart:
    return {
        "title": chart.title,
        "unit": chart.unit,
        "unit_right": chart.unit_right,
        "traces": [
            {
                "key": trace.key,
                "label": trace.label,
                "unit": trace.unit,
                "axis": trace.axis,
                "step": trace.is_step,
                "color": trace.color,
                "help": trace.help,
            }
            for trace in chart.traces
        ],
    }


def _describe_formats() -> list[messages.ExportFormat]:
    return [
        {"name": form.name, "label": form.title, "file_name": form.file_name} for form in FORMATS.values()
    ]


def _describe_workloads() -> list[messages.Workload]:
    # A form shows a replay that goes on until Stop, as any other workload does.
    replay = _describe_workload(get_workload(REPLAY), {"loops": 0.0})
    return [*(_describe_workload(workload, {}) for workload in known_workloads().values()), replay]


def _describe_workload(workload: Workload, values: Mapping[str, float]) -> messages.Workload:
    return {
        "name": workload.name,
        "help": workload.help,
        "threads": workload.default_threads,
        "needs_trace": workload.name == REPLAY,
        "is_first_choice": workload.name == FIRST_CHOICE,
        "parameters": [
            {
                "name": parameter.name,
                "unit": parameter.unit,
                "minimum": parameter.minimum,
                "maximum": parameter.maximum,
                "default": values.get(parameter.name, parameter.default),
                "help": parameter.help,
            }
            for parameter in workload.parameters
        ],
    }


def _describe_allocators() -> list[messages.Allocator]:
    described: list[messages.Allocator] = []
    for allocator in allocators():
        version = f" {allocator.version}" if allocator.version else ""
        label = f"{allocator.name}{version}" if allocator.available else f"{allocator.name} (not installed)"
        note = "" if allocator.is_tunable else f"{allocator.name} has no tunables; they wait for another."
        described.append(
            {
                "name": allocator.name,
                "label": label,
                "available": allocator.available,
                "remedy": allocator.remedy,
                "note": note,
            }
        )
        for row in rows() if allocator.available else ():
            if row.in_process != allocator.name:
                continue
            described.append(
                {
                    "name": row.name,
                    "label": f"{row.name} (exploratory)",
                    "available": True,
                    "remedy": "",
                    "note": "Exploratory, in the kernel's process; failed checks are refused and counted.",
                }
            )
    return described
