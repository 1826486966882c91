"""One process image's spool on its way into a trace file."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from workbench import __version__
from workbench.control.spool import ResolvedEvents, Spool, SpoolState
from workbench.processes.spool_modules import ModuleMaps
from workbench.traces import SUFFIX, TraceChunk, TraceMetadata, TraceWriter

_GONE = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


@dataclass(frozen=True)
class RecordedTrace:
    """A trace that was recorded.

    Parameters
    ----------
    path : Path
        Of the file.
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
        Of the spool.
    path : Path
        Of the trace.
    level : int
        Of compression.
    """

    def __init__(self, head: Path, path: Path, level: int) -> None:
        self._spool = Spool(head)
        state = self._spool.read_state()
        self.pid = state.pid
        self.parent_pid = state.parent_pid
        self.start_ns = state.start_realtime_ns
        self.program = _name_program(state)
        self.path = path
        self.result: RecordedTrace | None = None
        self._born = _start_of(state.pid)
        self._modules = ModuleMaps(self._spool.stem.with_name(self._spool.stem.name + ".modules"))
        self._writer = TraceWriter.open(
            path,
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
            level=level,
        )
        self.event_count = 0

    def is_running(self) -> bool:
        """Whether its process is still there; it may run another program by now."""
        return self._born is not None and _start_of(self.pid) == self._born

    def read_on(self) -> bool:
        """Take what can be taken now, at most a segment; False if there is nothing."""
        return self._take(self._spool.read())

    def finish(self, *, is_running: bool, end: str | None = None, is_replaced: bool = False) -> RecordedTrace:
        """Take the rest, and close the trace.

        Parameters
        ----------
        is_running : bool
            The process goes on, unrecorded.
        end : str, optional
            How the process ended, if that is known.
        is_replaced : bool
            It went on as another program (exec).
        """
        if self.result is not None:
            return self.result
        if is_running:
            self._spool.stop()
        goal = self._spool.read_state().next
        while self._spool.position < goal:
            before = self._spool.position
            self._take(self._spool.read(is_final=not is_running))
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
        return self.result

    def rename(self, path: Path) -> None:
        """Give the file another name; it goes on being written."""
        self.path.rename(path)
        self.path = path
        if self.result is not None:
            self.result = RecordedTrace(path, self.result.metadata, self.result.stored_bytes)

    def _take(self, events: ResolvedEvents | None) -> bool:
        if events is None:
            return False
        self._writer.add_sites([self._modules.find(*site) for site in events.new_sites])
        chunk = TraceChunk(**events.columns)
        self._writer.append(chunk, peak_live_bytes=self._spool.read_totals().peak_live_bytes)
        self.event_count += len(chunk)
        return True


def name_child(output: Path, number: int, program: str) -> Path:
    """Name of the trace of another process than the first, beside it.

    Examples
    --------
    >>> name_child(Path("make.haktrace"), 2, "cc1")
    PosixPath('make.2-cc1.haktrace')
    """
    stem = output.name.removesuffix(SUFFIX)
    safe = "".join(mark if mark.isalnum() or mark in "+-._" else "_" for mark in program)
    return output.with_name(f"{stem}.{number}-{safe[:64]}{SUFFIX}")


def _name_program(state: SpoolState) -> str:
    """The name it was called by, if that is a name of its file, as of programs that are several in one."""
    called = shutil.which(state.command[0]) if state.command else None
    with contextlib.suppress(OSError):
        if called is not None and Path(called).samefile(state.program):
            return Path(called).name
    return Path(state.program).name or "unknown"


def _start_of(pid: int) -> float | None:
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return None if process.status() in _GONE else process.create_time()
    return None


def _describe_end(
    state: SpoolState, end: str | None, *, is_running: bool, is_replaced: bool
) -> tuple[str, bool]:
    if is_running:
        return "still running", False
    if state.stopped:
        return f"stopped: {os.strerror(state.stopped)}", False
    if is_replaced:
        return "exec", True
    if end is not None:
        return end, not end.startswith("signal")
    return ("exit", True) if state.ended else ("killed", False)
