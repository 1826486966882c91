"""HAKMEM workbench: tune the thresholds of a native memory allocator while it works.

Everything that a session needs is here: ``import workbench as wb``, then ``wb.<Tab>``.

========================  =================================================================
`list_processes`          which processes can be tuned; also `list_allocators`,
                          `list_workloads`, `list_datasets`, `list_sessions`
`attach`                  the control block of a process or group: read metrics, set tunables
`read_memory`             where its resident memory is, in parts that add up
`tuning_panel`            live charts and controls in a notebook
`run`                     one run of a workload or trace
`compare`                 allocators or settings, in interleaved rounds, with a verdict
`experiment`              two settings in alternation on a running process, with a verdict
`plan_sweep`, `sweep`     a grid of settings
`plan_study`, `tune`      search for settings that beat the defaults
`tune_live`               search on a running process, in live experiments
`export_settings`         settings as a file, with evidence; `read_settings`, `verify`
`read_heap`               who holds the memory of a process, by sampled stacks
`open_trace`              a recorded trace; `profile_trace`, `suggest_tunables`
`open_session`            a recorded session; `repeat_session`, `compare_sessions`, `save_page`
`plots`                   all charts, as Plotly figures
========================  =================================================================

Each name is imported when it is first used, so that importing the package takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # editors and mypy read these; a test holds them against `_PLACES`
    from workbench import plots as plots
    from workbench.api.listing import list_allocators as list_allocators
    from workbench.api.listing import list_datasets as list_datasets
    from workbench.api.listing import list_sessions as list_sessions
    from workbench.api.listing import list_workloads as list_workloads
    from workbench.api.listing import open_session as open_session
    from workbench.api.listing import open_trace as open_trace
    from workbench.api.live import experiment as experiment
    from workbench.api.live_tuning import tune_live as tune_live
    from workbench.api.measuring import compare as compare
    from workbench.api.measuring import plan_sweep as plan_sweep
    from workbench.api.measuring import sweep as sweep
    from workbench.api.measuring import verify as verify
    from workbench.api.processes import attach as attach
    from workbench.api.processes import list_processes as list_processes
    from workbench.api.processes import read_memory as read_memory
    from workbench.api.running import run as run
    from workbench.api.settings import export_settings as export_settings
    from workbench.api.settings import read_settings as read_settings
    from workbench.api.tuning import plan_study as plan_study
    from workbench.api.tuning import tune as tune
    from workbench.control import ControlBlock as ControlBlock
    from workbench.errors import WorkbenchError as WorkbenchError
    from workbench.experiments import Variant as Variant
    from workbench.panel.tuning_panel import tuning_panel as tuning_panel
    from workbench.plots.page import save_page as save_page
    from workbench.processes import Program as Program
    from workbench.samples import read_heap as read_heap
    from workbench.sessions import compare_sessions as compare_sessions
    from workbench.sessions import repeat_session as repeat_session
    from workbench.sessions import save_notebook as save_notebook
    from workbench.traces.analysis import profile_trace as profile_trace
    from workbench.traces.analysis import suggest_tunables as suggest_tunables
    from workbench.tuning import Bounds as Bounds

    __version__: str

#: Below this package: modules, and the names that come from each.
_PLACES = {
    "api.listing": "list_allocators list_datasets list_sessions list_workloads open_session open_trace",
    "api.live": "experiment",
    "api.live_tuning": "tune_live",
    "api.measuring": "compare plan_sweep sweep verify",
    "api.processes": "attach list_processes read_memory",
    "api.running": "run",
    "api.settings": "export_settings read_settings",
    "api.tuning": "plan_study tune",
    "control": "ControlBlock",
    "errors": "WorkbenchError",
    "experiments": "Variant",
    "panel": "tuning_panel",
    "plots.page": "save_page",
    "processes": "Program",
    "samples": "read_heap",
    "sessions": "compare_sessions repeat_session save_notebook",
    "traces.analysis": "profile_trace suggest_tunables",
    "tuning": "Bounds",
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names.split()}

__all__ = sorted([*_MODULES, "plots"])  # noqa: PLE0605


if not TYPE_CHECKING:  # else every name would do for mypy

    def __getattr__(name: str) -> object:
        if name == "__version__":
            from importlib.metadata import version  # slow to import, and seldom asked for

            return version("hakmem-workbench")
        if name == "plots":
            return import_module("workbench.plots")
        if name not in _MODULES:
            raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
        import_module("workbench.api")  # from here on, results show themselves with their charts
        value = getattr(import_module(f"workbench.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def load_ipython_extension(shell: object) -> None:
    """Add `%%allocations` to a notebook: what `%load_ext workbench` calls."""
    import_module("workbench.api.cells").add_magic(shell)


def __dir__() -> list[str]:
    return [*__all__, "__version__", "__doc__", "__file__", "__name__", "__path__"]
