"""HAKMEM workbench: tune the thresholds of a native memory allocator while it works.

Everything that a session needs is here: ``import workbench as wb``, then ``wb.<Tab>``.

========================  =================================================================
`list_processes`          which processes can be tuned; also `list_allocators`,
                          `list_workloads`, `list_datasets`, `list_sessions`
`attach`                  the control block of a process: read metrics, set tunables
`tuning_panel`            live charts and controls in a notebook
`run`                     one run of a workload or trace
`compare`                 allocators or settings, in interleaved rounds, with a verdict
`plan_sweep`, `sweep`     a grid of settings
`plan_study`, `tune`      search for settings that beat the defaults
`export_settings`         settings as a file, with evidence; `read_settings`, `verify`
`open_trace`              a recorded trace; `profile_trace`, `suggest_tunables`
`open_session`            a recorded session; `repeat_session`, `compare_sessions`
`plots`                   all charts, as Plotly figures
========================  =================================================================

Each name is imported when it is first used, so that importing the package takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # editors and mypy read these; a test holds them against `_PLACES`
    from workbench import plots
    from workbench.api.listing import (
        list_allocators,
        list_datasets,
        list_sessions,
        list_workloads,
        open_session,
        open_trace,
    )
    from workbench.api.measuring import compare, plan_sweep, sweep, verify
    from workbench.api.processes import attach, list_processes
    from workbench.api.running import run
    from workbench.api.settings import export_settings, read_settings
    from workbench.api.tuning import plan_study, tune
    from workbench.control import ControlBlock
    from workbench.errors import WorkbenchError
    from workbench.experiments import Variant
    from workbench.panel.tuning_panel import tuning_panel
    from workbench.processes import Program
    from workbench.sessions import compare_sessions, repeat_session, save_notebook
    from workbench.traces.analysis import profile_trace
    from workbench.traces.analysis_advice import suggest_tunables
    from workbench.tuning import Bounds

    __version__: str

#: Which module has each name, below this package.
_PLACES = {
    "Bounds": "tuning",
    "ControlBlock": "control",
    "Program": "processes",
    "Variant": "experiments",
    "WorkbenchError": "errors",
    "attach": "api.processes",
    "compare": "api.measuring",
    "compare_sessions": "sessions",
    "export_settings": "api.settings",
    "list_allocators": "api.listing",
    "list_datasets": "api.listing",
    "list_processes": "api.processes",
    "list_sessions": "api.listing",
    "list_workloads": "api.listing",
    "open_session": "api.listing",
    "open_trace": "api.listing",
    "plan_study": "api.tuning",
    "plan_sweep": "api.measuring",
    "profile_trace": "traces.analysis",
    "read_settings": "api.settings",
    "repeat_session": "sessions",
    "run": "api.running",
    "save_notebook": "sessions",
    "suggest_tunables": "traces.analysis_advice",
    "sweep": "api.measuring",
    "tune": "api.tuning",
    "tuning_panel": "panel",
    "verify": "api.measuring",
}

__all__ = [
    "Bounds",
    "ControlBlock",
    "Program",
    "Variant",
    "WorkbenchError",
    "attach",
    "compare",
    "compare_sessions",
    "export_settings",
    "list_allocators",
    "list_datasets",
    "list_processes",
    "list_sessions",
    "list_workloads",
    "open_session",
    "open_trace",
    "plan_study",
    "plan_sweep",
    "plots",
    "profile_trace",
    "read_settings",
    "repeat_session",
    "run",
    "save_notebook",
    "suggest_tunables",
    "sweep",
    "tune",
    "tuning_panel",
    "verify",
]


if not TYPE_CHECKING:  # else every name would do for mypy

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version  # slow to import, and seldom asked for

            return version("hakmem-workbench")
        if name == "plots":
            return import_module("workbench.plots")
        if name not in _PLACES:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        import_module("workbench.api.pictures")  # from here on, results show themselves with their charts
        value = getattr(import_module(f"workbench.{_PLACES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return [*__all__, "__version__", "__doc__", "__file__", "__name__", "__path__"]
