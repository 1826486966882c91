"""One run of a workload or trace in a process of its own, with its progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.progress import TaskProgressColumn, TimeElapsedColumn

from workbench.allocators import DEFAULT_ALLOCATOR
from workbench.api.arguments import checks_arguments
from workbench.api.progress import Bar
from workbench.control import Value
from workbench.errors import UnknownDataset, WorkbenchError
from workbench.interrupt import ending_at_once
from workbench.processes import Outcome, Run, Worker
from workbench.workloads import REPLAY, known_workloads

_POLL_S = 0.1


@checks_arguments
def run(
    work: str,
    *,
    allocator: str = DEFAULT_ALLOCATOR,
    threads: int | None = None,
    seconds: float | None = None,
    operations: int | None = None,
    seed: int = 1,
    parameters: Mapping[str, float] | None = None,
    tunables: Mapping[str, Value] | None = None,
) -> Outcome:
    """Run a workload, or replay a trace, in a process of its own, and wait for the end.

    Parameters
    ----------
    work : str
        A workload (`list_workloads`), a dataset (`list_datasets`) or the path of a trace.
    allocator : str
        One of `list_allocators`.
    threads : int, optional
        The workload's own number by default.
    seconds, operations : optional
        Length of the run; 10 s by default. A trace is replayed once by default.
    seed : int
    parameters : mapping of str to float, optional
        Parameters of the workload; the others have their defaults.
    tunables : mapping of str to Value, optional
        Tunables that the allocator starts with; the others have their defaults.

    Raises
    ------
    UnknownWorkload, BadParameter, OutOfRange, MissingAllocator, UnknownTunable, ConstraintBroken, StartOnly
        With the thing, the value and the remedy. Nothing has run then.

    Examples
    --------
    >>> wb.run("larson", seconds=2, tunables={"tls.max_slots": 512})
    """
    is_replay = find_replayed(work) is not None
    spec = Run(
        workload=REPLAY if is_replay else work,
        parameters=parameters or {},
        threads=threads,
        seed=seed,
        allocator=allocator,
        seconds=seconds,
        operations=operations,
        tunables=tunables or {},
        trace=work if is_replay else None,
    )
    spec.check()
    return run_to_end(spec, f"{spec.title} under {allocator}")


def find_replayed(work: str) -> Path | None:
    """The trace that a work's name means, of a dataset or by its path; None if it can only be a workload.

    UnknownDataset if there is no such file.
    """
    if work in known_workloads():
        return None
    from workbench.traces.places import find_trace  # slow to import, as are traces

    try:
        return find_trace(work)
    except UnknownDataset:
        if Path(work).name == work and not Path(work).suffix:
            return None  # the catalogue of workloads knows the nearest name
        raise


def run_to_end(spec: Run, title: str, describe: Callable[[Worker], str] | None = None) -> Outcome:
    """Run a specification with a bar behind a title; an interrupt from the keyboard stops it.

    `describe` is called ten times a second; its text stands behind the bar. Errors are those of
    `Worker.start`.
    """
    with ending_at_once():
        import numpy as np  # noqa: F401, the worker reads events with it; Ctrl-C must not break off the import
    with (
        Worker.start(spec) as worker,
        Bar(title, TaskProgressColumn(), TimeElapsedColumn(), total=1.0) as bar,
    ):
        try:
            while (outcome := worker.poll()) is None:
                bar.move(completed=worker.progress(), text=_describe(worker, describe))
                worker.await_end(_POLL_S)
        except KeyboardInterrupt:
            worker.stop()
            return worker.wait()
        bar.move(completed=1.0)
        return outcome


def _describe(worker: Worker, describe: Callable[[Worker], str] | None) -> str:
    if describe is None:
        return ""
    try:
        return describe(worker)
    except WorkbenchError:  # it ended just now
        return ""
