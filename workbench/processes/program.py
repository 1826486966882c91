"""Programs that are not ours, started here under an allocator: to be attached to, or run to their end."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from workbench.allocators import DEFAULT_ALLOCATOR, RUNNER, get_allocator, run_environment
from workbench.control import ControlBlock, Value, explain_no_block
from workbench.errors import BadParameter, NoProcess, WorkerFailed
from workbench.plain_values import show
from workbench.processes.launcher import spawn
from workbench.processes.memory import peak_resident_bytes, resident_bytes
from workbench.processes.outcome import Outcome, name_signal
from workbench.processes.preload import check_preloadable, preload_environment

_POLL_S = 0.01
_BLOCK_TIMEOUT_S = 30.0
_TAIL_BYTES = 16 << 20


class Program:
    """A running program, in a process group of its own; a context manager that ends it.

    `start` makes one with an allocator preloaded. It is killed when this process ends.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    environment : mapping of str to str
        All of it.
    kind : str
        Kind of the control block that its allocator publishes.
    folder : Path, optional
        Where it runs; where this process does by default.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        kind: str = "",
        folder: Path | None = None,
    ) -> None:
        self._command = tuple(command)
        self._kind = kind
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the program)
        try:
            self._process = spawn(
                ["--exec", *command], environment, stdout=self._output, stderr=self._output, folder=folder
            )
        except BaseException:
            self._output.close()
            raise

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        settings: Mapping[str, Value] | None = None,
        environment: Mapping[str, str] | None = None,
        allocator: str = DEFAULT_ALLOCATOR,
    ) -> Self:
        """Start a program with an allocator preloaded.

        Parameters
        ----------
        command : sequence of str
            Program and arguments.
        settings : mapping of str to Value, optional
            Tunables to start with.
        environment : mapping of str to str, optional
            For the program, before the allocator is added; this process's by default. Unless it says
            otherwise, PYTHONMALLOC is "malloc", since CPython serves small objects itself.
        allocator : str
            One that publishes a control block.

        Raises
        ------
        CannotPreload, MissingAllocator, UnknownTunable, OutOfRange, ConstraintBroken
            With the thing, the value and the remedy.
        """
        check_preloadable(command)
        found = get_allocator(allocator)
        variables = preload_environment(settings or {}, environment, found)
        variables.setdefault("PYTHONMALLOC", "malloc")
        return cls(command, variables, found.kind)

    @property
    def pid(self) -> int:
        """Pid of the process, also after its end."""
        return self._process.pid

    def open_block(self, timeout_s: float = _BLOCK_TIMEOUT_S) -> ControlBlock:
        """Open the allocator's control block, once the program has one.

        WorkerFailed if it ends, or `timeout_s` seconds pass, before that.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            # Ended is asked first: a program that ended since can have left its last words.
            is_over = self.poll() is not None or time.monotonic() >= deadline
            with contextlib.suppress(NoProcess):
                block = ControlBlock.open(self.pid, self._kind)
                # The runner has a block of its own until it becomes the program; what is set there is lost.
                if not block.info.command.startswith(f"{RUNNER} --die-with-parent "):
                    return block
                block.close()
            if is_over:
                problem, _ = explain_no_block()
                reason = f": {problem}" if problem else ""
                last = quote_last_line(self.output_tail())
                raise WorkerFailed(f"{self._command[0]} has no control block{reason}{last}")
            time.sleep(_POLL_S)

    def output_tail(self) -> str:
        """The last it wrote to standard output and error."""
        end = os.fstat(self._output.fileno()).st_size
        tail = os.pread(self._output.fileno(), _TAIL_BYTES, max(0, end - _TAIL_BYTES))
        return tail.decode(errors="replace")

    def poll(self) -> int | None:
        """Exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for its end, at most `timeout_s` seconds; None if it still runs then."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace_s: float = 5.0) -> int:
        """Ask the program and its children to end, and kill them after `grace_s` seconds."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGTERM)
            if self.wait(grace_s) is None:
                os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    def close(self) -> None:
        """Stop it, and forget what it wrote."""
        self.stop()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _measure(self, started_s: float, timeout_s: float) -> Outcome:
        """Sample memory until the end, for which a thread waits: it is known at once, and with its usage."""
        process = self._process
        ended = threading.Event()
        ended_s = processor_s = 0.0
        page_faults = 0

        def reap() -> None:
            nonlocal ended_s, processor_s, page_faults
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            # Not ru_maxrss: across fork and exec it keeps the peak of this process.
            ended_s, processor_s = time.monotonic(), usage.ru_utime + usage.ru_stime
            page_faults = usage.ru_minflt + usage.ru_majflt
            ended.set()

        waiter = threading.Thread(target=reap, name=f"workbench-command-{process.pid}", daemon=True)
        waiter.start()
        samples: list[int] = []
        peak_bytes = 0
        is_overdue = False
        try:
            while not ended.wait(_POLL_S):
                total_bytes = 0
                for pid in _list_family(process.pid):
                    with contextlib.suppress(NoProcess):
                        total_bytes += resident_bytes(pid)
                        peak_bytes = max(peak_bytes, peak_resident_bytes(pid))
                if total_bytes > 0:
                    samples.append(total_bytes)
                peak_bytes = max(peak_bytes, total_bytes)
                if time.monotonic() >= started_s + timeout_s:
                    is_overdue = True
                    break
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # children that it left behind, too
            waiter.join()
        tail = self.output_tail()
        status, message = _judge(process.returncode, quote_last_line(tail), is_overdue=is_overdue)
        return Outcome(
            status,
            message,
            exit_code=process.returncode if process.returncode >= 0 else None,
            operations=1,
            elapsed_s=ended_s - started_s,
            processor_s=processor_s,
            page_faults=page_faults,
            mean_resident_bytes=sum(samples) // len(samples) if samples else 0,
            peak_resident_bytes=peak_bytes,
            sample_count=len(samples),
            output_tail=tail,
        )


def split_command(text: str, *, by_shell: bool = False) -> tuple[str, ...]:
    """Words of a command as a shell splits them; with `by_shell`, what has /bin/sh run it.

    BadParameter if it is empty, or a quotation has no end.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise BadParameter(f"command {show(text)}: {str(error).lower()}") from None
    if not words:
        raise BadParameter("a command is empty; name a program")
    return ("/bin/sh", "-c", text) if by_shell else tuple(words)


def run_command(
    command: Sequence[str],
    allocator_name: str,
    settings: Mapping[str, Value],
    folder: Path,
    timeout_s: float,
    c_library: Path | None = None,
) -> Outcome:
    """Run a command under an allocator to its end; a crash or a timeout is an outcome, not an error.

    After `timeout_s` seconds it and all of its process group are killed. `c_library` is preloaded for the C
    library's own allocator, for programs that link another one. CannotPreload, MissingAllocator,
    UnknownTunable, OutOfRange or ConstraintBroken tells why it cannot be run.
    """
    check_preloadable(command)
    environment = get_allocator(allocator_name).run_environment(settings, c_library, has_block=False)
    environment["PYTHONMALLOC"] = "malloc"  # CPython serves small objects itself otherwise
    started_s = time.monotonic()
    with Program(command, environment, folder=folder) as program:
        return program._measure(started_s, timeout_s)


def prepare_command(command: Sequence[str], folder: Path, timeout_s: float) -> None:
    """Run what prepares a command, in this process's environment without settings of any allocator.

    WorkerFailed tells its last words if it does not come to a good end.
    """
    started_s = time.monotonic()
    with Program(command, run_environment(), folder=folder) as program:
        outcome = program._measure(started_s, timeout_s)
    if outcome.message:
        raise WorkerFailed(f"{' '.join(command)}, which prepares: {outcome.message}")


def quote_last_line(output: str) -> str:
    """The end of a sentence that says what a program said last; empty if it said nothing."""
    said = output.strip().splitlines()
    return f"; it said: {said[-1]}" if said else ""


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


def _judge(code: int, last: str, *, is_overdue: bool) -> tuple[str, str]:
    if is_overdue:
        return "timed out", "it did not end in time and was killed"
    if code < 0:
        return "crashed", f"it was ended by {name_signal(-code)}{last}"
    if code > 0:
        return "failed", f"it ended with exit code {code}{last}"
    return "completed", ""
