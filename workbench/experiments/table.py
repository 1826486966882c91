"""Results as a pandas frame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from workbench.allocators import tunables_of
from workbench.experiments.plan import PARAMETER
from workbench.experiments.result import ELAPSED, Result
from workbench.processes.runs import Run
from workbench.table import Table
from workbench.units import format_rough, name_column
from workbench.workloads import REPLAY, Workload, get_workload, known_workloads

if TYPE_CHECKING:
    import pandas as pd

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
    settings: dict[str, None] = {}
    for result in results:
        given = _describe_settings(result.run)
        settings |= dict.fromkeys(given)
        rows.append(_describe_run(result) | given | _describe_result(result))
    if not rows:
        return pd.DataFrame()
    columns = dict.fromkeys(
        [*list(rows[0])[:_RUN_COLUMNS], *settings, *(name for row in rows for name in row)]
    )
    return pd.DataFrame(rows, columns=list(columns))


# id, workload, allocator, threads, seed, round
_RUN_COLUMNS = 6


def _find_workload(run: Run) -> Workload | None:
    if run.command:
        return None
    return get_workload(REPLAY) if run.workload == REPLAY else known_workloads().get(run.workload)


def _describe_run(result: Result) -> dict[str, Any]:
    run, known = result.run, _find_workload(result.run)
    has_default = known is not None and run.trace is None and run.threads is None
    return {
        "id": result.id,
        "workload": run.title,
        "allocator": run.allocator,
        "threads": known.default_threads if known and has_default else run.threads,
        "seed": run.seed,
        "round": run.round,
    }


def _describe_settings(run: Run) -> dict[str, Any]:
    known, tunables = _find_workload(run), tunables_of([run.allocator])
    parameters = {} if known is None else {each.name: each for each in known.parameters}
    defaults = {} if run.trace is not None else {each.name: each.default for each in parameters.values()}
    units = {name: each.unit for name, each in parameters.items()}
    return {
        PARAMETER + name_column(name, units.get(name, "")): float(value)
        for name, value in (defaults | dict(run.parameters)).items()
    } | {
        name_column(name, tunables[name].unit) if name in tunables else name: value
        for name, value in run.tunables.items()
    }


def _describe_result(result: Result) -> dict[str, Any]:
    # Telemetry would be most of the columns; `Result.telemetry` has it.
    left_out = ("trial", "latency_ns", "telemetry", "figures")
    row = {name: value for name, value in result.to_row().items() if name not in left_out}
    for name, value in result.latency_ns.items():
        row[name if name.endswith("_count") else f"{name}_ns"] = value
    units = {figure.name: figure.unit for figure in result.run.figures}
    for name, value in result.figures.items():
        if name != ELAPSED:
            row[name_column(name, units.get(name, ""))] = value
    return row
