"""Runs a program under the recorder, and writes what it and its children allocate as traces."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self

from workbench.control import native_directory
from workbench.control.spool import Spool
from workbench.errors import BadParameter, WorkbenchError
from workbench.processes.loader_path import put_first
from workbench.processes.preload import check_preloadable
from workbench.processes.process_trace import ProcessTrace, RecordedTrace, name_child
from workbench.processes.spool_folder import open_spool_folder
from workbench.traces.writer import DEFAULT_LEVEL

RECORDER_LIBRARY = native_directory() / "libhakmem-record.so"
_SPOOL_VARIABLE = "HAKMEM_RECORD_SPOOL"
_MAXIMUM_SPOOL_PATH_BYTES = 380
_POLL_S = 0.02
_PROGRESS_S = 0.1
_PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


@dataclass(frozen=True)
class RecordingOutcome:
    """What a recorded command came to.

    Parameters
    ----------
    exit_code : int
        Of the command; negative for a signal.
    traces : tuple of RecordedTrace
        The command's own first, then those of its children in the order in which they began.
    elapsed_s : float
        From the command's start to its end, without what was still to be compressed then.
    """

    exit_code: int
    traces: tuple[RecordedTrace, ...]
    elapsed_s: float


def record(
    command: Sequence[str],
    output: str | os.PathLike[str],
    *,
    children: bool = True,
    environment: Mapping[str, str] | None = None,
    working_directory: str | os.PathLike[str] | None = None,
    spool_directory: str | os.PathLike[str] | None = None,
    level: int = DEFAULT_LEVEL,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> RecordingOutcome:
    """Run a command to its end, and record it.

    The command has this process's terminal: Ctrl-C goes to it, and so do SIGTERM, SIGHUP and SIGQUIT that
    this process gets meanwhile. Its children that still run when it ends are recorded up to then.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    output : path
        Trace of the command. Other process images (children, and what it was before an exec) get files
        beside it, `STEM.NUMBER-PROGRAM.haktrace`.
    children : bool
        Whether those are kept.
    environment : mapping of str to str, optional
        Of the command; this process's by default. Unless it says otherwise, PYTHONMALLOC is "malloc".
    working_directory : path, optional
        Of the command; this process's by default.
    spool_directory : path, optional
        Where raw records wait to be compressed, in a private folder; the system's for temporary files by
        default.
    level : int
        Of compression, 1 to 22.
    stdin, stdout, stderr : int, optional
        As subprocess takes them.
    progress : callable, optional
        Called ten times a second with the number of events so far.

    Raises
    ------
    CannotPreload
        If the recorder cannot reach the program.
    BadParameter
        If the spool's folder or the level will not do.
    OSError
        If a file cannot be written.
    """
    check_preloadable(command)
    _check_output(Path(output))
    with open_spool_folder(spool_directory) as spool:
        if len(os.fsencode(spool)) > _MAXIMUM_SPOOL_PATH_BYTES:
            raise BadParameter(f"{spool}: its path is too long for a spool; name a shorter --spool")
        recording = _Recording(Path(output), spool, children=children, level=level)
        with _Signals() as signals:
            start_s = time.monotonic()
            process = subprocess.Popen(
                list(command),
                env=_make_environment(environment, spool),
                cwd=working_directory,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
            )
            signals.give(process)
            end = _EndWatch(process.pid)
            recording.follow(process, progress or (lambda _: None))
            end.join()
        return recording.outcome(process.returncode, end.time_s - start_s)


def _check_output(output: Path) -> None:
    if output.is_dir():
        raise BadParameter(f"{output}: it is a folder; name a file")
    if not output.parent.is_dir():
        raise BadParameter(f"{output.parent}: no such folder; make it first")


def _make_environment(base: Mapping[str, str] | None, spool: Path) -> dict[str, str]:
    environment = dict(os.environ if base is None else base)
    environment["LD_PRELOAD"] = put_first(RECORDER_LIBRARY, environment.get("LD_PRELOAD", ""))
    environment[_SPOOL_VARIABLE] = str(spool)
    environment.setdefault("PYTHONMALLOC", "malloc")
    return environment


class _Signals:
    """Keeps this process alive to finish the traces; the terminal sends SIGINT to the program itself.

    What comes before the program is there waits for it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: list[int] = []
        self._before: dict[int, Any] = {}

    def give(self, process: subprocess.Popen[bytes]) -> None:
        """From now on this is the program."""
        self._process = process
        for number in self._waiting:
            process.send_signal(number)

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        if self._process is None:
            self._waiting.append(number)
        else:
            self._process.send_signal(number)

    def __enter__(self) -> Self:
        with contextlib.suppress(ValueError):  # not the main thread: signals are someone else's
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
            for number in _PASSED_ON:
                self._before[number] = signal.signal(number, self._pass_on)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


class _EndWatch(threading.Thread):
    """Notes when a process ends, however busy the reading of its spool is."""

    def __init__(self, pid: int) -> None:
        super().__init__(name="workbench-recorder-end", daemon=True)
        self.time_s = 0.0
        self._descriptor = os.pidfd_open(pid)
        self.start()

    def run(self) -> None:
        """Wait for the end."""
        select.select([self._descriptor], [], [])
        self.time_s = time.monotonic()
        os.close(self._descriptor)


class _Recording:
    """All process images of one command."""

    def __init__(self, output: Path, spool: Path, *, children: bool, level: int) -> None:
        self._output = output
        self._spool = spool
        self._children = children
        self._level = level
        self._seen: set[str] = set()
        self._active: list[ProcessTrace] = []
        self._main: ProcessTrace | None = None
        self._others: list[ProcessTrace] = []
        self._finished_events = 0

    def follow(self, process: subprocess.Popen[bytes], progress: Callable[[int], None]) -> None:
        """Read spools while the command runs, and to their ends after it."""
        next_progress = 0.0
        try:
            while process.poll() is None:
                self._find_new(process.pid)
                is_busy = sum(trace.read_on() for trace in self._active) > 0
                self._finish_gone(process.pid)
                if time.monotonic() >= next_progress:
                    next_progress = time.monotonic() + _PROGRESS_S
                    progress(self.event_count)
                if not is_busy:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(_POLL_S)
        finally:
            if process.poll() is None:  # left by an error: nothing reads the spool any more
                process.kill()
                process.wait()
        self._finish_all(process.pid, process.returncode)
        progress(self.event_count)

    @property
    def event_count(self) -> int:
        """Events of all traces so far."""
        return self._finished_events + sum(trace.event_count for trace in self._active)

    def outcome(self, exit_code: int, elapsed_s: float) -> RecordingOutcome:
        """What came of it all."""
        traces = [trace.result for trace in ([self._main] if self._main else []) + self._others]
        return RecordingOutcome(exit_code, tuple(trace for trace in traces if trace is not None), elapsed_s)

    def _find_new(self, main_pid: int) -> None:
        heads = [head for head in self._spool.glob("*.head") if head.stem not in self._seen]
        # The stem is the process's number and the time at which the image began, in hexadecimal.
        for head in sorted(heads, key=lambda head: int(head.stem.partition("-")[2], 16)):
            self._seen.add(head.stem)
            self._add(head, main_pid)

    def _add(self, head: Path, main_pid: int) -> None:
        is_main = int(head.stem.partition("-")[0], 16) == main_pid
        if not is_main and not self._children:
            _discard(head)
            return
        number = len(self._others) + 1
        replaced = self._main if is_main else None
        path = self._output if is_main else name_child(self._output, number, "new")
        if replaced is not None:  # the command went on as another program: that is what is wanted
            self._close(replaced, is_replaced=True)
            replaced.rename(name_child(self._output, number, replaced.program))
            self._others.append(replaced)
        trace = ProcessTrace(head, path, self._level)
        if is_main:
            self._main = trace
        else:
            trace.rename(name_child(self._output, number, trace.program))
            self._others.append(trace)
        self._active.append(trace)

    def _finish_gone(self, main_pid: int) -> None:
        gone, latest = self._find_gone(main_pid)
        for trace in list(self._active):
            if latest[trace.pid] is not trace:
                self._close(trace, is_replaced=True)
            elif trace in gone and trace.pid != main_pid:
                self._close(trace)

    def _find_gone(self, main_pid: int) -> tuple[list[ProcessTrace], dict[int, ProcessTrace]]:
        """Images whose process is gone, and then the last of each process: what it became is among them."""
        gone = [trace for trace in self._active if not trace.is_running()]
        self._find_new(main_pid)
        return gone, {trace.pid: trace for trace in self._active}

    def _finish_all(self, main_pid: int, exit_code: int) -> None:
        end = f"exit {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"
        self._find_new(main_pid)
        gone, latest = self._find_gone(main_pid)
        for trace in list(self._active):
            if latest[trace.pid] is not trace:
                self._close(trace, is_replaced=True)
            elif trace.pid == main_pid:
                self._close(trace, end=end)
            else:
                self._close(trace, is_running=trace not in gone)
        if not self._children:
            for other in self._others:
                other.path.unlink(missing_ok=True)
            self._others.clear()

    def _close(
        self,
        trace: ProcessTrace,
        *,
        is_running: bool = False,
        end: str | None = None,
        is_replaced: bool = False,
    ) -> None:
        if trace not in self._active:
            return
        trace.finish(is_running=is_running, end=end, is_replaced=is_replaced)
        self._finished_events += trace.event_count
        self._active.remove(trace)


def _discard(head: Path) -> None:
    """Have a process that is not wanted write no more, and delete what it wrote."""
    with contextlib.suppress(OSError, WorkbenchError):
        spool = Spool(head)
        spool.stop()
        spool.close()
