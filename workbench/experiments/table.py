"""Results as a pandas frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from workbench.allocators import tunables_of
from workbench.control import Tunable
from workbench.experiments.result import TrialResult
from workbench.processes.runs import Run
from workbench.table import Table
from workbench.units import format_rough, name_column
from workbench.workloads import REPLAY, Workload, get_workload, known_workloads

if TYPE_CHECKING:
    import pandas as pd

#: Before the name of a workload's parameter, which could be that of something else.
PARAMETER = "parameter."
_SHOWN_ROWS = 10


def tabulate_fastest(results: Iterable[TrialResult]) -> Table:
    """The fastest single runs of a sweep, a row each."""
    measured = [result for result in results if result.is_measured]
    best = sorted(measured, key=lambda result: -result.operations_per_s)[:_SHOWN_ROWS]
    rows = [
        (
            result.trial.workload,
            result.trial.allocator,
            format_rough(result.operations_per_s, "operations/s"),
            format_rough(result.peak_resident_bytes, "bytes"),
            ", ".join(f"{name}={value}" for name, value in result.trial.tunables.items()) or "defaults",
        )
        for result in best
    ]
    return Table(
        ("workload", "allocator", "throughput", "peak resident", "settings"),
        rows,
        wrapped=("settings",),
        dropped=("peak resident", "allocator"),
        caption="the fastest single runs (compare them before you believe in one):",
    )


def tabulate_results(results: Iterable[TrialResult]) -> pd.DataFrame:
    """Lay results out, one row each, units in the column names.

    Returns
    -------
    pandas.DataFrame
        First what was run: `workload`, `allocator`, `threads`, `seed`, `round`, parameters as
        `parameter.NAME`, tunables that were set by their name; then what was measured, latencies as
        `malloc_p99_ns`; then where it comes from.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    given: set[str] = set()
    for result in results:
        values = _describe_settings(result.trial)
        given |= values.keys()
        rows.append(_describe_trial(result.trial) | values | _describe_result(result))
    if not rows:
        return pd.DataFrame()
    frame = pd.DataFrame(rows)
    set_columns = [name for name in frame.columns if name in given]
    fixed = [name for name in frame.columns if name not in set_columns]
    return frame[[*fixed[:_TRIAL_COLUMNS], *set_columns, *fixed[_TRIAL_COLUMNS:]]]


# id, workload, allocator, threads, seed, round
_TRIAL_COLUMNS = 6


def _name_tunable(name: str, tunable: Tunable | None) -> str:
    return name if tunable is None else name_column(name, tunable.unit)


def name_parameter(workload: str, name: str) -> str:
    """Column of a workload's parameter."""
    known = get_workload(REPLAY) if workload == REPLAY else known_workloads().get(workload)
    units = {parameter.name: parameter.unit for parameter in known.parameters} if known else {}
    return PARAMETER + name_column(name, units.get(name, ""))


def _describe_trial(trial: Run) -> dict[str, Any]:
    known = _find_workload(trial)
    return {
        "id": "",
        "workload": trial.title,
        "allocator": trial.allocator,
        "threads": known.default_threads if known and trial.threads is None else trial.threads,
        "seed": trial.seed,
        "round": trial.round,
    }


def _describe_settings(trial: Run) -> dict[str, Any]:
    known, tunables = _find_workload(trial), tunables_of([trial.allocator])
    defaults = {parameter.name: parameter.default for parameter in known.parameters} if known else {}
    values = defaults | dict(trial.parameters)
    return {name_parameter(trial.workload, name): float(value) for name, value in values.items()} | {
        _name_tunable(name, tunables.get(name)): value for name, value in trial.tunables.items()
    }


def _find_workload(trial: Run) -> Workload | None:
    return None if trial.command or trial.trace is not None else known_workloads().get(trial.workload)


def _describe_result(result: TrialResult) -> dict[str, Any]:
    # Telemetry would be most of the columns; `TrialResult.telemetry` has it.
    left_out = ("trial", "latency_ns", "telemetry")
    row = {name: value for name, value in result.to_row().items() if name not in left_out}
    for name, value in result.latency_ns.items():
        row[name if name.endswith("_count") else f"{name}_ns"] = value
    return row
