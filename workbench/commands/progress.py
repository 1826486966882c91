"""A run in a worker, with a bar and a live line on the terminal while it goes on."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from workbench.errors import WorkbenchError
from workbench.interrupt import ending_at_once
from workbench.processes import Outcome, Run, Worker

_POLL_S = 0.1


def run_to_end(spec: Run, title: str, describe: Callable[[Worker], str] | None = None) -> Outcome:
    """Run a specification; an interrupt from the keyboard stops it.

    Parameters
    ----------
    spec : Run
    title : str
        What stands before the bar.
    describe : callable, optional
        Called ten times a second; its text stands behind the bar.

    Raises
    ------
    WorkbenchError
        As `Worker.start`.
    """
    with ending_at_once():
        import numpy as np  # noqa: F401, the worker reads events with it; Ctrl-C must not break off the import
    with Worker.start(spec) as worker:
        try:
            return _show_progress(worker, title, describe)
        except KeyboardInterrupt:
            worker.stop()
            return worker.wait()


def _show_progress(worker: Worker, title: str, describe: Callable[[Worker], str] | None) -> Outcome:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[live]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=1.0, live="")
        while (outcome := worker.poll()) is None:
            progress.update(task, completed=worker.progress(), live=_describe(worker, describe))
            worker.await_end(_POLL_S)
        progress.update(task, completed=1.0)
    return outcome


def _describe(worker: Worker, describe: Callable[[Worker], str] | None) -> str:
    if describe is None:
        return ""
    try:
        return describe(worker)
    except WorkbenchError:  # it ended just now
        return ""
