"""What `compare` and `sweep` share: progress with the time left, and plans from the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from workbench.experiments import Results, TrialResult
from workbench.processes.private_folder import open_private_folder

# The time left is reckoned from the latest trials: those of one kind may be longer than others.
_REMEMBERED_S = 600.0


@contextlib.contextmanager
def show_progress(title: str, total: int, done: int = 0) -> Iterator[Callable[[TrialResult], None]]:
    """A bar on a terminal's standard error; call what it gives with each result.

    Parameters
    ----------
    title : str
    total, done : int
        Trials in all, and those that are done before it begins.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(
        *columns,
        console=console,
        transient=True,
        disable=not console.is_terminal,
        speed_estimate_period=_REMEMBERED_S,
    ) as progress:
        task = progress.add_task(title, total=total, completed=done, last="")

        def advance(result: TrialResult) -> None:
            what = f"{result.trial.title} under {result.trial.allocator}"
            if not result.is_measured:
                progress.console.print(f"{what}: {result.status}: {result.reason}", markup=False)
            progress.update(task, advance=1, last=what)

        yield advance


@contextlib.contextmanager
def open_results(path: str | None) -> Iterator[Results]:
    """The set of results at a path; without one, a set that is forgotten afterwards."""
    if path is not None:
        yield Results.open(path)
        return
    with open_private_folder("workbench-results-") as folder:
        yield Results.open(folder / "results")
