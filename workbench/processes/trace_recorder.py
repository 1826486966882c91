"""Records a program, from its start or while it runs: what it and its children allocate becomes traces."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.allocators import put_first
from workbench.control import native_directory
from workbench.errors import BadParameter, CannotInject, NotPermitted, WorkbenchError
from workbench.processes.injection import call_in, check_injectable
from workbench.processes.memory import read_start
from workbench.processes.preload import check_preloadable
from workbench.processes.private_folder import open_private_folder
from workbench.processes.process_trace import ProcessTrace, RecordedTrace
from workbench.processes.recording_files import RecordingFiles
from workbench.processes.signal_relay import SignalRelay
from workbench.traces.spool import Spool, make_failures, read_failures
from workbench.traces.writer import DEFAULT_LEVEL

RECORDER_LIBRARY = native_directory() / "libhakmem-record.so"
_SPOOL_VARIABLE = "HAKMEM_RECORD_SPOOL"
_MAXIMUM_SPOOL_PATH_BYTES = 380
_MAXIMUM_PENDING_EVENTS = 1 << 21  # of all traces together: 80 MiB
_POLL_S = 0.02
_PROGRESS_S = 0.1
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


@dataclass(frozen=True)
class RecordingOutcome:
    """What a recorded command came to.

    Parameters
    ----------
    exit_code : int
        Exit status of the command; negative for a signal.
    traces : tuple of RecordedTrace
        The command's own first, then those of its children in the order in which they began.
    elapsed_s : float
        From the command's start to its end, without what was still to be compressed then.
    problems : tuple of str
        What could not be recorded, and why.
    """

    exit_code: int
    traces: tuple[RecordedTrace, ...]
    elapsed_s: float
    problems: tuple[str, ...] = ()


def record(
    command: Sequence[str],
    output: str | os.PathLike[str],
    *,
    children: bool = True,
    environment: Mapping[str, str] | None = None,
    working_directory: str | os.PathLike[str] | None = None,
    spool_directory: str | os.PathLike[str] | None = None,
    level: int = DEFAULT_LEVEL,
    progress: Callable[[int], None] | None = None,
    warn: Callable[[str], None] | None = None,
    force: bool = False,
    **streams: Any,
) -> RecordingOutcome:
    """Run a command to its end, and record it.

    The command has this process's terminal and descriptors, and gets the signals that this process gets
    meanwhile, as if it ran in its place. Its children that still run when it ends are recorded up to then.
    Whatever goes wrong with the recording once it runs, it runs on to its own end.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    output : path
        Trace of the command. Other process images (children, and what it was before an exec) get files
        beside it, `STEM.NUMBER-PROGRAM.haktrace`. A trace that is there is replaced once the command runs,
        and the others of its recording go with it.
    children : bool
        Whether those are kept.
    environment : mapping of str to str, optional
        For the command; this process's by default. Unless it says otherwise, PYTHONMALLOC is "malloc".
    working_directory : path, optional
        Where the command runs; this process's by default.
    spool_directory : path, optional
        Where raw records wait to be compressed, in a private folder; the system's for temporary files by
        default.
    level : int
        Level of compression, 1 to 22.
    progress : callable, optional
        Called ten times a second with the number of events so far.
    warn : callable, optional
        Called with a line of text when something cannot be recorded further.
    force : bool
        Replace also a file that is no trace.
    **streams : int, optional
        stdin, stdout, stderr, as subprocess takes them.

    Raises
    ------
    CannotPreload
        If the recorder cannot reach the program.
    BadParameter
        If the output, the spool's folder or the level will not do, or the program cannot be started.
    """
    check_preloadable(command)
    with contextlib.ExitStack() as cleanup:
        recording = _open_recording(
            cleanup, Path(output), spool_directory, is_forced=force, children=children, level=level, warn=warn
        )
        signals = cleanup.enter_context(SignalRelay())
        start_s = time.monotonic()
        try:
            process = subprocess.Popen(
                list(command),
                env=_make_environment(environment, recording.spool),
                cwd=working_directory,
                **streams,
                close_fds=False,  # what this process was given is the program's
                preexec_fn=_ignore_children if signals.ignores_children else None,  # noqa: PLW1509 (no lock)
            )
        except OSError as error:
            raise BadParameter(f"{command[0]}: {error.strerror}; name a program that can be run") from error
        signals.give(process)
        end = _EndWatch(process.pid)
        recording.follow(process, progress or (lambda _: None))
        return recording.outcome(process.returncode, end.find_s() - start_s)


def record_running(
    pid: int,
    output: str | os.PathLike[str],
    *,
    seconds: float | None = None,
    stop: threading.Event | None = None,
    children: bool = True,
    spool_directory: str | os.PathLike[str] | None = None,
    level: int = DEFAULT_LEVEL,
    progress: Callable[[int], None] | None = None,
    warn: Callable[[str], None] | None = None,
    force: bool = False,
) -> RecordingOutcome:
    """Record a program that runs already, until something ends that; the program goes on.

    Parameters
    ----------
    pid : int
        The process; of this user.
    seconds : float, optional
        For so long; by default until the process ends, or `stop` is set.
    stop : threading.Event, optional
        Ends the recording when it is set.
    children : bool
        Whether children that are forked meanwhile are kept.
    output, spool_directory, level, progress, warn, force
        As in `record`.

    Raises
    ------
    NoProcess, NotPermitted, CannotPreload, CannotInject
        As `inject`.
    BadParameter
        As `record`.
    """
    check_recordable(pid)
    with contextlib.ExitStack() as cleanup:
        recording = _open_recording(
            cleanup, Path(output), spool_directory, is_forced=force, children=children, level=level, warn=warn
        )
        if said := call_in(pid, RECORDER_LIBRARY, "hak_record_start", str(recording.spool)):
            raise CannotInject(f"process {pid} is not recorded: {said}")
        start_s = time.monotonic()
        process = _RunningProcess(pid, seconds, stop or threading.Event())
        recording.follow(process, progress or (lambda _: None))
        if process.problem:
            recording.add_problem(process.problem)
        return recording.outcome(0, time.monotonic() - start_s)


def check_recordable(pid: int) -> None:
    """See whether `record_running` may begin; raises as it does."""
    check_injectable(pid, RECORDER_LIBRARY)
    if (owner := Path(f"/proc/{pid}").stat().st_uid) != os.geteuid():
        raise NotPermitted(f"process {pid} belongs to another user (uid {owner}): record it as that user")


class _RunningProcess:
    """A process that somebody else started: what `_Recording.follow` needs of it."""

    returncode = None

    def __init__(self, pid: int, seconds: float | None, stop: threading.Event) -> None:
        self.pid = pid
        self.problem = ""
        self._born = read_start(pid)
        self._end_s = math.inf if seconds is None else time.monotonic() + seconds
        self._stop = stop
        self._is_over = False

    def poll(self) -> int | None:
        """None while it is to be recorded. At the end of that it gets its own functions back, if it runs."""
        if self._is_over:
            return 0
        is_there = read_start(self.pid) == self._born
        if is_there and not self._stop.is_set() and time.monotonic() < self._end_s:
            return None
        self._is_over = True
        if is_there:
            try:
                call_in(self.pid, RECORDER_LIBRARY, "hak_record_stop")
            except WorkbenchError as error:
                self.problem = f"the recorder's functions stay, and do nothing any more: {error}"
        return 0

    def wait(self, timeout: float | None = None) -> None:
        """Wait a moment, or not at all: the process is not ours to wait for."""
        if timeout is not None:
            self._stop.wait(timeout)


def _open_recording(
    cleanup: contextlib.ExitStack,
    output: Path,
    spool_directory: str | os.PathLike[str] | None,
    *,
    is_forced: bool,
    children: bool,
    level: int,
    warn: Callable[[str], None] | None,
) -> _Recording:
    """The files of a recording and the folder of its spools, as long as `cleanup` lasts."""
    files = RecordingFiles(output, is_forced=is_forced)
    cleanup.callback(files.close)
    try:
        spool = cleanup.enter_context(open_private_folder("hakmem-spool-", spool_directory))
        make_failures(spool)
    except OSError as error:
        where = error.filename or spool_directory or "the folder for temporary files"
        raise BadParameter(f"{where}: {error.strerror}; name another --spool") from error
    if len(os.fsencode(spool)) > _MAXIMUM_SPOOL_PATH_BYTES:
        raise BadParameter(f"{spool}: its path is too long for a spool; name a shorter --spool")
    return _Recording(files, spool, children=children, level=level, warn=warn)


def _ignore_children() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def _make_environment(base: Mapping[str, str] | None, spool: Path) -> dict[str, str]:
    environment = dict(os.environ if base is None else base)
    environment["LD_PRELOAD"] = put_first(RECORDER_LIBRARY, environment.get("LD_PRELOAD", ""))
    environment[_SPOOL_VARIABLE] = str(spool)
    environment.setdefault("PYTHONMALLOC", "malloc")
    return environment


class _EndWatch(threading.Thread):
    """Notes when a process ends, however busy the reading of its spool is."""

    def __init__(self, pid: int) -> None:
        super().__init__(name="workbench-recorder-end", daemon=True)
        self._pid = pid
        self._time_s: float | None = None
        with contextlib.suppress(RuntimeError):  # no thread to be had
            self.start()

    def run(self) -> None:
        """Wait for the end, and leave the status to who reads the spool, or has taken it already."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        self._time_s = time.monotonic()

    def find_s(self) -> float:
        """When it was; now, if nobody looked."""
        if self.ident is not None:
            self.join()
        return time.monotonic() if self._time_s is None else self._time_s


@dataclass
class _Recording:
    """All process images of one command. No error of the recording is one of the command."""

    files: RecordingFiles
    spool: Path
    children: bool
    level: int
    warn: Callable[[str], None] | None
    problems: list[str] = field(default_factory=list)
    traces: list[ProcessTrace] = field(default_factory=list)  # in the order in which the images began
    main: ProcessTrace | None = None
    seen: set[str] = field(default_factory=set)
    is_over: bool = False
    has_ended: bool = False

    def follow(
        self, process: subprocess.Popen[bytes] | _RunningProcess, progress: Callable[[int], None]
    ) -> None:
        """Read spools while the command runs, and to their ends after it."""
        try:
            self._follow(process, progress)
            self.has_ended = True
            self._find_new(process.pid)
            self._finish(process.pid, process.returncode, is_over=True)
            self._tell_failures()
            self._show(progress)
        except BaseException as error:
            self._stop(self.files.output, error)
            process.wait()
            if not isinstance(error, Exception):
                raise
        finally:
            if not self.children:
                self._drop_others()

    def _follow(
        self, process: subprocess.Popen[bytes] | _RunningProcess, progress: Callable[[int], None]
    ) -> None:
        next_progress = 0.0
        while process.poll() is None:
            self._find_new(process.pid)
            is_busy = sum(self._try(trace, trace.read_on) for trace in self._list_open()) > 0
            self._finish(process.pid)
            self._write_early()
            if time.monotonic() >= next_progress:
                next_progress = time.monotonic() + _PROGRESS_S
                self._show(progress)
            if not is_busy:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_S)

    def _show(self, progress: Callable[[int], None]) -> None:
        with contextlib.suppress(Exception):  # there may be nobody to show it to
            progress(sum(trace.event_count for trace in self.traces))

    def _list_open(self) -> list[ProcessTrace]:
        return [trace for trace in self.traces if trace.is_open]

    def outcome(self, exit_code: int, elapsed_s: float) -> RecordingOutcome:
        """What came of it all."""
        ordered = sorted(self.traces, key=lambda trace: trace is not self.main)
        kept = tuple(trace.result for trace in ordered if trace.result is not None)
        return RecordingOutcome(exit_code, kept, elapsed_s, tuple(self.problems))

    # --- what goes wrong ------------------------------------------------------------------------------

    def _try(self, trace: ProcessTrace, action: Callable[[], object]) -> bool:
        """Do something with a trace; if it cannot be done, that one is recorded no further."""
        try:
            return bool(action())
        except Exception as error:
            if _is_of_the_disk(error):
                self._stop(trace.path, error)
            else:
                trace.abandon(_word(error))
                self._tell(trace.path, error)
            return False

    def _stop(self, path: Path, error: BaseException) -> None:
        """Record nothing any more: without its folder no process goes on writing."""
        if self.is_over:
            return
        self.is_over = True
        for trace in self._list_open():
            trace.abandon(_word(error))
        shutil.rmtree(self.spool, ignore_errors=True)
        self._tell(path, error)

    def _tell(self, where: Path | str, error: BaseException) -> None:
        goes_on = "" if self.has_ended else ", and the program goes on"
        self.add_problem(f"{where}: {_word(error)}; it is recorded no further{goes_on}")

    def _tell_failures(self) -> None:
        count, error = read_failures(self.spool)
        if count:
            processes = "1 process" if count == 1 else f"{count} processes"
            self.add_problem(
                f"{processes} could not be recorded: {os.strerror(error)} in {self.spool.parent}"
            )

    def add_problem(self, problem: str) -> None:
        """Tell it now, and in the outcome."""
        self.problems.append(problem)
        if self.warn is not None:
            with contextlib.suppress(Exception):  # there may be nobody to tell
                self.warn(problem)

    # --- process images -------------------------------------------------------------------------------

    def _find_new(self, main_pid: int) -> None:
        if self.is_over:
            return
        heads = [head for head in self.spool.glob("*.head") if head.stem not in self.seen]
        # The stem is the process's number and the time at which the image began, in hexadecimal.
        for head in sorted(heads, key=lambda head: int(head.stem.partition("-")[2], 16)):
            self.seen.add(head.stem)
            pid = int(head.stem.partition("-")[0], 16)
            try:
                if pid == main_pid or self.children:
                    self._add(head, is_main=pid == main_pid)
                else:
                    _discard(head)
            except Exception as error:
                if _is_of_the_disk(error):
                    self._stop(self.files.output, error)
                    return
                _discard(head)
                self._tell(f"process {pid}", error)

    def _add(self, head: Path, *, is_main: bool) -> None:
        self.files.begin()
        if is_main and self.main is not None:  # it went on as another program: that is what is wanted
            self._close(self.main, is_replaced=True)
            self.main.rename(self.files.name_child(self.main.program))
            self.main = None
        find_path = (lambda _: self.files.output) if is_main else self.files.name_child
        trace = ProcessTrace(head, find_path, self.files.recording, self.level)
        self.traces.append(trace)
        if is_main:
            self.main = trace

    def _write_early(self) -> None:
        """See that what waits in memory does not grow with the number of processes."""
        waiting = sorted(self._list_open(), key=lambda trace: -trace.pending_events)
        total = sum(trace.pending_events for trace in waiting)
        for trace in waiting:
            if total <= _MAXIMUM_PENDING_EVENTS:
                return
            total -= trace.pending_events
            self._try(trace, trace.flush)

    def _finish(self, main_pid: int, exit_code: int | None = None, *, is_over: bool = False) -> None:
        """Close the traces of images that are gone; at the end, all traces."""
        gone = [trace for trace in self._list_open() if not trace.is_running()]
        self._find_new(main_pid)  # what a process that is gone became is among them
        latest = {trace.pid: trace for trace in self._list_open()}
        for trace in self._list_open():
            if latest[trace.pid] is not trace:
                self._close(trace, is_replaced=True)
            elif trace.pid == main_pid and exit_code is not None:
                end = f"exit {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"
                self._close(trace, end=end)
            elif trace in gone and (is_over or trace.pid != main_pid):  # a command's code is to come
                self._close(trace)
            elif is_over:
                self._close(trace, is_running=True)

    def _close(self, trace: ProcessTrace, **how: Any) -> None:
        if trace.is_open:
            self._try(trace, lambda: trace.finish(**how))

    def _drop_others(self) -> None:
        for trace in self.traces:
            if trace is not self.main:
                with contextlib.suppress(OSError):
                    trace.path.unlink(missing_ok=True)
        self.traces = [trace for trace in self.traces if trace is self.main]


def _is_of_the_disk(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in _OF_THE_DISK


def _word(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _discard(head: Path) -> None:
    """Have a process that is not wanted write no more, and delete what it wrote."""
    with contextlib.suppress(Exception):
        spool = Spool(head)
        spool.stop()
        spool.close()
