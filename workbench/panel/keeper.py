"""Keeps a live session on disk while it goes on. Used by the pump's thread alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from workbench.control import EventBatch
from workbench.errors import BadParameter
from workbench.panel import protocol
from workbench.panel.target import Target
from workbench.plots.page import save_page
from workbench.processes import Outcome
from workbench.sessions import Change, Column, Sample, Session, SessionWriter, gather_facts, save_notebook
from workbench.units import format_rough

# Sizes are shown in such steps, so that they are not told anew with every sample.
SHOWN_BYTES = 10 * 1024


class SessionKeeper:
    """The recording of the session that goes on, and the path of the latest.

    Nothing is recorded without a folder. What cannot be done raises a WorkbenchError with the reason; what
    ends a recording is told once.
    """

    def __init__(self, folder: Path | None, tell: Callable[[str, str], object]) -> None:
        self.folder = folder
        self.is_on = folder is not None
        self.latest: Path | None = None
        self._tell = tell
        self._writer: SessionWriter | None = None
        self._target: Target | None = None
        self._told_problem = ""
        self._switches = 0

    def begin(self, target: Target) -> None:
        """A session begins: records it, unless that is switched off."""
        self._target = target
        self._writer = None
        self._told_problem = ""
        self._open()

    def switch(self, is_on: bool) -> str:
        """Records from now on, or no more; returns what is to be said of it."""
        self._switches += 1
        if self.folder is None:
            raise BadParameter("this panel has no folder for sessions")
        self.is_on = is_on
        if not is_on:
            self._close("stopped", "recording was switched off")
            return "recording is off; what was recorded is kept"
        self._open()
        return "recording is on"

    def keep(
        self, sample: Sample | None, columns: Iterable[Column], events: EventBatch | None, steps: list[Change]
    ) -> None:
        """Takes what one step of the session brought."""
        writer = self._writer
        if writer is None:
            return
        if sample is not None:
            writer.add_sample(sample, columns)
        if events is not None:
            writer.add_events(events)
        writer.add_changes(steps)
        writer.flush()
        self._tell_problem()

    def note(self, time_s: float, text: str) -> None:
        """Keeps a note, `time_s` seconds after recording began."""
        if self._writer is not None:
            self._writer.add_note(time_s, text)

    def end(self, outcome: Outcome | None = None, note: str = "") -> None:
        """The session is over."""
        self._close(outcome.status if outcome else "ended", note, outcome)
        self._target = None
        self._tell_problem()

    @property
    def problem(self) -> str:
        """Why recording ended before the session; empty if it did not."""
        return self._writer.problem if self._writer is not None else ""

    def save_notebook(self) -> Path:
        """Writes the notebook that repeats the latest session, beside its recording."""
        return save_notebook(self._open_latest())

    def save_page(self) -> Path:
        """Writes the latest session as an HTML page, beside its recording."""
        return save_page(self._open_latest())

    def _open_latest(self) -> Session:
        if self._writer is not None:
            self._writer.flush(is_now=True)
        if self.latest is None:
            raise BadParameter("nothing was recorded yet: switch recording on and start a workload")
        return Session.open(self.latest)

    def describe(self) -> protocol.Recording:
        """What the views show of it."""
        writer = self._writer
        size = writer.size_bytes // SHOWN_BYTES * SHOWN_BYTES if writer is not None else 0
        return {
            "is_on": self.is_on,
            "switches": self._switches,
            "is_possible": self.folder is not None,
            "is_recording": writer is not None and writer.is_recording,
            "name": self.latest.name if self.latest is not None else "",
            "path": str(self.latest or self.folder or ""),
            "size": format_rough(size, "bytes") if size else "",
            "problem": self.problem,
            "can_save": self.latest is not None,
        }

    def _open(self) -> None:
        target = self._target
        if target is None or self.folder is None or not self.is_on or self._writer is not None:
            return
        facts = gather_facts(
            target.subject,
            target.allocator_block,
            spec=target.spec,
            process=target.process,
            is_exploratory=target.is_exploratory,
        )
        self._writer = SessionWriter(self.folder, facts, target.recorder.start_s)
        if self._writer.path.is_dir():
            self.latest = self._writer.path

    def _close(self, status: str, note: str, outcome: Outcome | None = None) -> None:
        if self._writer is not None:
            self._writer.close(outcome, status=status, note=note)
            if not self._writer.problem:
                self._writer = None

    def _tell_problem(self) -> None:
        if self.problem and self.problem != self._told_problem:
            self._told_problem = self.problem
            self._tell(self.problem, "failure")
