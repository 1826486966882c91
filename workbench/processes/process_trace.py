"""One process image's spool on its way into a trace file."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from workbench import __version__
from workbench.processes.spool_modules import ModuleMaps
from workbench.traces import TraceMetadata, TraceWriter
from workbench.traces.spool import Spool, SpoolState

_GONE = ("Z", "X", "x")
_START = 19  # of the fields of /proc/PID/stat behind the name


@dataclass(frozen=True)
class RecordedTrace:
    """A trace that was recorded.

    Parameters
    ----------
    path : Path
        Path of the file.
    metadata : TraceMetadata
        What it comes to.
    stored_bytes : int
        Size of the file.
    """

    path: Path
    metadata: TraceMetadata
    stored_bytes: int

    @property
    def bytes_per_event(self) -> float:
        """File size by events; 0 without events."""
        count = self.metadata.event_count
        return self.stored_bytes / count if count else 0.0


class ProcessTrace:
    """Reads a spool and writes its trace, piece by piece.

    Parameters
    ----------
    head : Path
        The first file of the spool.
    find_path : callable
        Names the trace's file, by the program's name.
    recording : str
        Name of the recording, the same in all its traces.
    level : int
        Level of compression.
    """

    def __init__(self, head: Path, find_path: Callable[[str], Path], recording: str, level: int) -> None:
        self._spool = Spool(head)
        try:
            state = self._spool.read_state()
            self.pid = state.pid
            self.parent_pid = state.parent_pid
            self.program = _name_program(state)
            self.result: RecordedTrace | None = None
            self._born = _start_of(state.pid)
            self._modules = ModuleMaps(self._spool.stem.with_name(self._spool.stem.name + ".modules"))
            self._writer = TraceWriter.open(
                find_path(self.program),
                program=self.program,
                command=state.command,
                date=datetime.fromtimestamp(state.start_realtime_ns / 1e9, UTC).isoformat(timespec="seconds"),
                versions={
                    "workbench": __version__,
                    "kernel": platform.release(),
                    "c_library": " ".join(platform.libc_ver()),
                },
                pid=state.pid,
                parent_pid=state.parent_pid,
                recording=recording,
                level=level,
            )
        except BaseException:
            self._spool.stop()
            self._spool.close()
            raise
        self.event_count = 0
        self.is_open = True

    @property
    def path(self) -> Path:
        """Path of the trace."""
        return self._writer.path

    @property
    def pending_events(self) -> int:
        """Events in memory that are not in the file yet."""
        return self._writer.pending_events

    def is_running(self) -> bool:
        """Whether its process is still there; it may run another program by now."""
        try:
            return self._born is not None and _start_of(self.pid) == self._born
        except OSError:  # no descriptor is free to look with
            return True

    def read_on(self) -> bool:
        """Take what can be taken now, at most a segment; False if there is nothing."""
        return self._take()

    def finish(self, *, is_running: bool = False, end: str = "", is_replaced: bool = False) -> None:
        """Take the rest, and close the trace.

        Parameters
        ----------
        is_running : bool
            The process goes on, unrecorded.
        end : str
            How the process ended; empty if that is not known.
        is_replaced : bool
            It went on as another program (exec).
        """
        if is_running:
            self._spool.stop()
        goal = self._spool.read_state().next
        while self._spool.position < goal:
            before = self._spool.position
            self._take(is_final=not is_running)
            if self._spool.position == before:
                break
        state = self._spool.read_state()
        totals = self._spool.read_totals()
        text, is_complete = _describe_end(state, end, is_running=is_running, is_replaced=is_replaced)
        metadata = self._writer.close(
            complete=is_complete and not totals.lost_records,
            end=text,
            unknown_frees=totals.unknown_frees,
            lost_events=totals.lost_records,
        )
        self._spool.close()
        self.result = RecordedTrace(self.path, metadata, self.path.stat().st_size)
        self.is_open = False

    def abandon(self, reason: str) -> None:
        """Record no more, and keep what there is, which may not even be a file. Raises nothing.

        Parameters
        ----------
        reason : str
            What ended the recording.
        """
        if self.is_open:
            self.is_open = False
            with contextlib.suppress(Exception):
                self._spool.stop()
                unknown_frees = self._spool.read_totals().unknown_frees
                metadata = self._writer.abandon(f"gave up: {reason}", unknown_frees=unknown_frees)
                self.result = RecordedTrace(self.path, metadata, self.path.stat().st_size)
            with contextlib.suppress(Exception):
                self._spool.close()

    def flush(self) -> None:
        """Write what waits in memory."""
        self._writer.flush()

    def rename(self, path: Path) -> None:
        """Give the file another name; it goes on being written."""
        self._writer.rename(path)
        if self.result is not None:
            self.result = replace(self.result, path=path)

    def _take(self, *, is_final: bool = False) -> bool:
        found = self._spool.read(is_final=is_final)
        if found is None:
            return False
        chunk, new_sites = found
        self._writer.add_sites([self._modules.find(*site) for site in new_sites])
        self._writer.append(chunk, peak_live_bytes=self._spool.read_totals().peak_live_bytes)
        self.event_count += len(chunk)
        return True


def _name_program(state: SpoolState) -> str:
    """The name it was called by, if that is a name of its file, as of programs that are several in one."""
    called = shutil.which(state.command[0]) if state.command else None
    with contextlib.suppress(OSError):
        if called is not None and Path(called).samefile(state.program):
            return Path(called).name
    return Path(state.program).name or "unknown"


def _start_of(pid: int) -> int | None:
    """When a process began; None if it is none any more.

    Raises
    ------
    OSError
        If that cannot be known now.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = text.rpartition(") ")[2].split()
    return None if state in _GONE else int(fields[_START - 1])


def _describe_end(state: SpoolState, end: str, *, is_running: bool, is_replaced: bool) -> tuple[str, bool]:
    if is_running:
        return "still running", False
    if state.stopped:
        return f"stopped: {os.strerror(state.stopped)}", False
    if is_replaced:
        return "exec", True
    if end:
        return end, not end.startswith("signal")
    return ("exit", True) if state.ended else ("killed", False)
