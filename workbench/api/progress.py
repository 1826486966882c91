"""Progress of what takes long: bars on a terminal, a line of text below a notebook's cell, else nothing."""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from workbench.display import notebook_display
from workbench.processes.private_folder import open_private_folder

if TYPE_CHECKING:  # slow to import, and a run needs none of it
    from workbench.experiments import Result, Results

# The time left is reckoned from the latest runs: those of one kind may be longer than others.
_REMEMBERED_S = 600.0
_NOTEBOOK_PERIOD_S = 0.5
_NOTEBOOK_COLUMNS = 90


class Bar(Progress):
    """A bar that vanishes at its end from a terminal's standard error; a notebook keeps the last line.

    The title stands before it; the columns, and then the text of `move`, behind it. Options are those of
    `rich.progress.Progress`.
    """

    def __init__(
        self,
        title: str,
        *columns: str | ProgressColumn,
        total: float | None = None,
        completed: int = 0,
        **options: Any,
    ) -> None:
        console = Console(stderr=True)
        super().__init__(
            "{task.description}",
            BarColumn(),
            *columns,
            "{task.fields[text]}",
            console=console,
            transient=True,
            disable=not console.is_terminal,
            **options,
        )
        display = notebook_display()
        self._handle = None if display is None else display({"text/plain": ""}, raw=True, display_id=True)
        self._next_s = 0.0
        self._only = self.add_task(title, total=total, completed=completed, text="")

    def move(self, **changes: Any) -> None:
        """Change `completed`, `total` or the `text` behind the bar."""
        self.update(self._only, **changes)
        if time.monotonic() >= self._next_s:
            self._write()

    def say(self, text: str) -> None:
        """Print a line above the bar; into a file as one line, however long."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=not self.console.is_terminal)

    def stop(self) -> None:
        """End the display."""
        super().stop()
        self._write()

    def _write(self) -> None:
        if self._handle is None:
            return
        self._next_s = time.monotonic() + _NOTEBOOK_PERIOD_S
        text = io.StringIO()
        Console(file=text, width=_NOTEBOOK_COLUMNS, color_system=None, force_jupyter=False).print(
            self.get_renderable()
        )
        self._handle.update({"text/plain": text.getvalue().rstrip()}, raw=True)


@contextlib.contextmanager
def show_progress(title: str, total: int, done: int = 0) -> Iterator[Callable[[Result], None]]:
    """A bar for `total` runs, some of them done before it begins; call what it gives with each result."""
    columns = (MofNCompleteColumn(), TimeElapsedColumn(), "left", TimeRemainingColumn())
    with Bar(title, *columns, total=total, completed=done, speed_estimate_period=_REMEMBERED_S) as bar:

        def advance(result: Result) -> None:
            what = f"{result.run.title} under {result.run.allocator}"
            if not result.is_measured:
                bar.say(f"{what}: {result.status}: {result.reason}")
            bar.move(advance=1, text=what)

        yield advance


@contextlib.contextmanager
def open_results(path: str | os.PathLike[str] | None) -> Iterator[Results]:
    """The set of results at a path; without one, a set whose folder is removed afterwards."""
    from workbench.experiments import Results

    if path is not None:
        yield Results.open(path)
        return
    with open_private_folder("workbench-results-") as folder:
        yield Results.open(folder / "results")
