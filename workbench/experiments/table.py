"""Results as a pandas frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from workbench.allocators import tunables_of
from workbench.control import Tunable
from workbench.experiments.result import Result
from workbench.processes.runs import Run
from workbench.table import Table
from workbench.units import format_rough, name_column
from workbench.workloads import REPLAY, Workload, get_workload, known_workloads

if TYPE_CHECKING:
    import pandas as pd

#: Before the name of a workload's parameter, which could be that of something else.
PARAMETER = "parameter."
_SHOWN_ROWS = 10


def tabulate_fastest(results: Iterable[Result]) -> Table:
    """The fastest single runs of a sweep, a row each."""
    measured = [result for result in results if result.is_measured]
    best = sorted(measured, key=lambda result: -result.operations_per_s)[:_SHOWN_ROWS]
    rows = [
        (
            result.run.workload,
            result.run.allocator,
            format_rough(result.operations_per_s, "operations/s"),
            format_rough(result.peak_resident_bytes, "bytes"),
            ", ".join(f"{name}={value}" for name, value in result.run.tunables.items()) or "defaults",
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


def tabulate_results(results: Iterable[Result]) -> pd.DataFrame:
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
        values = _describe_settings(result.run)
        given |= values.keys()
        rows.append(_describe_run(result.run) | values | _describe_result(result))
    if not rows:
        return pd.DataFrame()
    frame = pd.DataFrame(rows)
    set_columns = [name for name in frame.columns if name in given]
    fixed = [name for name in frame.columns if name not in set_columns]
    return frame[[*fixed[:_RUN_COLUMNS], *set_columns, *fixed[_RUN_COLUMNS:]]]


# id, workload, allocator, threads, seed, round
_RUN_COLUMNS = 6


def _name_tunable(name: str, tunable: Tunable | None) -> str:
    return name if tunable is None else name_column(name, tunable.unit)


def name_parameter(workload: str, name: str) -> str:
    """Column of a workload's parameter."""
    known = get_workload(REPLAY) if workload == REPLAY else known_workloads().get(workload)
    units = {parameter.name: parameter.unit for parameter in known.parameters} if known else {}
    return PARAMETER + name_column(name, units.get(name, ""))


def _describe_run(run: Run) -> dict[str, Any]:
    known = _find_workload(run)
    return {
        "id": "",
        "workload": run.title,
        "allocator": run.allocator,
        "threads": known.default_threads if known and run.threads is None else run.threads,
        "seed": run.seed,
        "round": run.round,
    }


def _describe_settings(run: Run) -> dict[str, Any]:
    known, tunables = _find_workload(run), tunables_of([run.allocator])
    defaults = {parameter.name: parameter.default for parameter in known.parameters} if known else {}
    values = defaults | dict(run.parameters)
    return {name_parameter(run.workload, name): float(value) for name, value in values.items()} | {
        _name_tunable(name, tunables.get(name)): value for name, value in run.tunables.items()
    }


def _find_workload(run: Run) -> Workload | None:
    return None if run.command or run.trace is not None else known_workloads().get(run.workload)


def _describe_result(result: Result) -> dict[str, Any]:
    # Telemetry would be most of the columns; `Result.telemetry` has it.
    left_out = ("trial", "latency_ns", "telemetry")
    row = {name: value for name, value in result.to_row().items() if name not in left_out}
    for name, value in result.latency_ns.items():
        row[name if name.endswith("_count") else f"{name}_ns"] = value
    return row
