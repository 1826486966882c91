"""A trace replayed under several allocators in turn: a first look, not a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from workbench.control import Value
from workbench.errors import WorkerFailed
from workbench.processes import Run, run


def replay_in_turn(
    path: Path,
    allocators: Sequence[str],
    *,
    tunables: Mapping[str, Value] | None = None,
    rounds: int = 5,
    timeout_s: float | None = 600.0,
) -> pd.DataFrame:
    """Replay a trace as fast as it goes, each time in a process of its own.

    Parameters
    ----------
    path : Path
        Of a trace.
    allocators : sequence of str
        To replay it under.
    tunables : mapping of str to Value, optional
        If there are any, hakmem is run once more in every round, with these.
    rounds : int
        How often all take their turn.
    timeout_s : float, optional
        After which a replay is killed.

    Returns
    -------
    DataFrame
        run (the allocator, or "hakmem, tuned"), round, operations_per_s and peak_resident_bytes.

    Raises
    ------
    WorkerFailed
        If a replay does not complete.
    MissingAllocator, UnknownTunable, OutOfRange, ConstraintBroken, DamagedTrace
        If it cannot be run.
    """
    specs = {
        name: Run("replay", trace=str(path), parameters={"loops": 1}, allocator=name) for name in allocators
    }
    if tunables:
        specs["hakmem, tuned"] = Run(
            "replay", trace=str(path), parameters={"loops": 1}, tunables={**tunables}
        )
    rows = []
    for number in range(rounds):
        for name, spec in specs.items():
            outcome = run(spec, timeout_s)
            if outcome.status != "completed":
                raise WorkerFailed(f"replay of {path.name} under {name}: {outcome.status}, {outcome.message}")
            rows.append((name, number, outcome.operations_per_s, outcome.peak_resident_bytes))
    return pd.DataFrame(rows, columns=["run", "round", "operations_per_s", "peak_resident_bytes"])
