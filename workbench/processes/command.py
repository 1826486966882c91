"""A whole program run to its end under any allocator: how long it took and what it held."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.allocators import get_allocator
from workbench.control import Value
from workbench.errors import NoProcess
from workbench.processes.launcher import spawn
from workbench.processes.memory import peak_resident_bytes, resident_bytes
from workbench.processes.preload import check_preloadable

_SAMPLE_S = 0.01
_TAIL_BYTES = 16384


@dataclass(frozen=True)
class CommandOutcome:
    """What came of a command.

    Parameters
    ----------
    status : str
        "completed", "crashed" by a signal, "failed" with an exit code, or "timed out".
    message : str
        One line for people: empty if completed.
    elapsed_s : float
        From start to end.
    processor_s : float
        User and system time of it and of the children it waited for.
    mean_resident_bytes, peak_resident_bytes : int
        Memory of it and its children together, as sampled; the peak is at least that of the largest of them.
    sample_count : int
        How often they were looked at.
    output_tail : str
        The last it wrote.
    """

    status: str
    message: str
    elapsed_s: float
    processor_s: float
    mean_resident_bytes: int
    peak_resident_bytes: int
    sample_count: int = 0
    output_tail: str = ""


def run_command(
    command: Sequence[str],
    allocator_name: str,
    settings: Mapping[str, Value],
    folder: Path,
    timeout_s: float,
    c_library: Path | None = None,
    on_start: Callable[[int], object] | None = None,
) -> CommandOutcome:
    """Run a command to its end; a crash or a timeout is an outcome, not an error.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    allocator_name : str
        What is preloaded.
    settings : mapping of str to Value
        Tunables to start with.
    folder : Path
        Where it runs.
    timeout_s : float
        Then it and all of its process group are killed.
    c_library : Path, optional
        What is preloaded for the C library's own allocator, for programs that link another one.
    on_start : callable, optional
        Told the pid.

    Raises
    ------
    CannotPreload, MissingAllocator, UnknownTunable, OutOfRange, ConstraintBroken
        With the thing, the value and the remedy.
    """
    check_preloadable(command)
    environment = get_allocator(allocator_name).run_environment(settings, c_library)
    environment["PYTHONMALLOC"] = "malloc"  # CPython serves small objects itself otherwise
    with tempfile.TemporaryFile() as output:
        started_s = time.monotonic()
        process = spawn(["--exec", *command], environment, stdout=output, stderr=output, folder=folder)
        try:
            if on_start is not None:
                on_start(process.pid)
            ending = _watch(process, started_s + timeout_s)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # children it left behind
            if process.returncode is None:
                process.wait()
        elapsed_s = ending.ended_s - started_s
        end = os.fstat(output.fileno()).st_size
        tail = os.pread(output.fileno(), _TAIL_BYTES, max(0, end - _TAIL_BYTES)).decode(errors="replace")
    status, message = _judge(ending, tail)
    return CommandOutcome(
        status=status,
        message=message,
        elapsed_s=elapsed_s,
        processor_s=ending.processor_s,
        mean_resident_bytes=ending.mean_resident_bytes,
        peak_resident_bytes=ending.peak_resident_bytes,
        sample_count=ending.sample_count,
        output_tail=tail,
    )


@dataclass(frozen=True)
class _Ending:
    code: int
    ended_s: float
    is_overdue: bool
    processor_s: float
    mean_resident_bytes: int
    peak_resident_bytes: int
    sample_count: int


def _watch(process: subprocess.Popen[bytes], deadline_s: float) -> _Ending:
    """Sample until the end. A thread waits for it, so that the end is known at once and with its usage."""
    found: dict[str, tuple[float, int, float]] = {}
    ended = threading.Event()

    def reap() -> None:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        # Not ru_maxrss: across fork and exec it keeps the peak of this process.
        found["end"] = (time.monotonic(), process.returncode, usage.ru_utime + usage.ru_stime)
        ended.set()

    waiter = threading.Thread(target=reap, name=f"workbench-command-{process.pid}", daemon=True)
    waiter.start()
    samples: list[int] = []
    peak_bytes = 0
    is_overdue = False
    try:
        while not ended.wait(_SAMPLE_S):
            pids = _list_family(process.pid)
            total_bytes = 0
            for pid in pids:
                with contextlib.suppress(NoProcess):
                    total_bytes += resident_bytes(pid)
                    peak_bytes = max(peak_bytes, peak_resident_bytes(pid))
            samples.append(total_bytes)
            peak_bytes = max(peak_bytes, total_bytes)
            if not is_overdue and time.monotonic() >= deadline_s:
                is_overdue = True
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        waiter.join()
    ended_s, code, processor_s = found["end"]
    kept = [sample for sample in samples if sample > 0]
    return _Ending(
        code=code,
        ended_s=ended_s,
        is_overdue=is_overdue,
        processor_s=processor_s,
        mean_resident_bytes=sum(kept) // len(kept) if kept else 0,
        peak_resident_bytes=peak_bytes,
        sample_count=len(kept),
    )


def _list_family(pid: int) -> list[int]:
    """It, its children and theirs, as far as they still run."""
    family = [pid]
    for member in family:
        # Any of them may end at any moment, also while its folder is listed.
        with contextlib.suppress(OSError):
            for path in Path(f"/proc/{member}/task").glob("*/children"):
                with contextlib.suppress(OSError):
                    family += [int(word) for word in path.read_text(encoding="ascii").split()]
    return family


def _judge(ending: _Ending, tail: str) -> tuple[str, str]:
    said = tail.strip().splitlines()
    last = f"; it said: {said[-1]}" if said else ""
    if ending.is_overdue:
        return "timed out", "it did not end in time and was killed"
    if ending.code < 0:
        return "crashed", f"it was ended by {signal.Signals(-ending.code).name}{last}"
    if ending.code > 0:
        return "failed", f"it ended with exit code {ending.code}{last}"
    return "completed", ""
