"""Programs that are not ours, started here under an allocator: to be attached to, or run to their end."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

from workbench.allocators import DEFAULT_ALLOCATOR, RUNNER, get_allocator
from workbench.control import ControlBlock, Value, explain_no_block
from workbench.errors import BadParameter, NoProcess, WorkerFailed
from workbench.plain_values import show
from workbench.processes.figures import Figure
from workbench.processes.launcher import spawn_program
from workbench.processes.memory import Usage, peak_resident_bytes, read_usage, resident_bytes
from workbench.processes.outcome import Outcome, describe_kill
from workbench.processes.preload import check_preloadable, preload_environment
from workbench.processes.probe_tally import ProbeTally
from workbench.units import KIB

_POLL_S = 0.01
_BLOCK_TIMEOUT_S = 30.0
_TAIL_BYTES = 16 << 20
_KILL_TIMEOUT_S = 5.0
_LAST_WORDS_S = 0.2
_numbers = itertools.count()


class Program:
    """A running program, in a process group of its own; a context manager that ends it and all it started.

    `start` makes one with an allocator preloaded. It runs in a folder, by default where this process does,
    and is killed when this process ends. The environment is all of it; the kind is that of the allocator's
    control block.
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
        # All that it starts inherits this, also what leaves its process group and its parent.
        self._mark = f"WORKBENCH_PROGRAM_{os.getpid()}_{next(_numbers):06}"
        self._is_killed = False
        self._started_s = time.monotonic()
        try:
            self._process = spawn_program(
                command, {**environment, self._mark: "1"}, output=self._output, folder=folder
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

    @property
    def has_ended(self) -> bool:
        """Whether its end is known; `poll` would take it from the thread that waits for it in `measure`."""
        return self._process.returncode is not None

    def send_signal(self, number: int) -> None:
        """Send a signal to its process group, if it has not ended."""
        if not self.has_ended:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, number)

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for its end, at most `timeout_s` seconds; None if it still runs then."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, grace_s: float = 5.0, number: int = signal.SIGTERM) -> int:
        """Ask its process group to end, by a signal; after `grace_s` seconds, kill all that it started."""
        if self.poll() is None:
            os.killpg(self.pid, number)
            self.wait(grace_s)
        if not self._is_killed:
            self.kill()
        return self._process.wait()

    def kill(self) -> None:
        """Kill it and all that it started, wherever they are now; returns when they are gone."""
        with contextlib.ExitStack() as stack:
            members: dict[int, int] = {}
            # They are stopped before they are killed, so that none starts another one meanwhile.
            while new := {*self._list_members(members)} - members.keys():
                for pid in new:
                    with contextlib.suppress(OSError):  # it has ended, or is somebody else's
                        members[pid] = os.pidfd_open(pid)
                        stack.callback(os.close, members[pid])
                        signal.pidfd_send_signal(members[pid], signal.SIGSTOP)
                if not new & members.keys():
                    break
            for descriptor in members.values():
                with contextlib.suppress(OSError):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            deadline = time.monotonic() + _KILL_TIMEOUT_S
            for descriptor in members.values():
                end = select.poll()
                end.register(descriptor, select.POLLIN)
                end.poll(1e3 * max(0.0, deadline - time.monotonic()))
        self._is_killed = True

    def list_pids(self) -> list[int]:
        """Its process, its children and theirs, as far as they still run."""
        return _list_family(self.pid)

    def usage(self) -> Usage:
        """Processor time and page faults of it and its family, as far as they are alive or waited for."""
        return sum((read_usage(pid) for pid in _list_family(self.pid)), Usage())

    def _list_members(self, known: Mapping[int, int]) -> Iterator[int]:
        for pid in (*known, *([self.pid] if self._process.returncode is None else [])):
            yield from _list_family(pid)
        mark = f"{self._mark}=".encode()
        for path in Path("/proc").glob("[0-9]*/environ"):
            pid = int(path.parent.name)
            with contextlib.suppress(OSError):
                if os.getpgid(pid) == self.pid or mark in path.read_bytes():
                    yield pid

    def close(self) -> None:
        """Stop it, and forget what it wrote."""
        self.stop()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def measure(
        self, timeout_s: float, server: Program | None = None, figures: Sequence[Figure] = ()
    ) -> Outcome:
        """Run it to its end, then kill what it left; a crash or a timeout is an outcome, not an error.

        Parameters
        ----------
        timeout_s : float
            Then it is killed.
        server : Program, optional
            Whose memory, processor time and faults count instead; if it ends first, that is the outcome.
        figures : sequence of Figure
            Those with a probe are read meanwhile, of the same processes.
        """
        with ProbeTally(figures, (server or self).list_pids) as tally:
            return self._measure(timeout_s, server, tally)

    def _measure(self, timeout_s: float, server: Program | None, tally: ProbeTally) -> Outcome:
        process = self._process
        ended = threading.Event()
        ended_s, largest_bytes = 0.0, 0
        usage = Usage()
        before = None if server is None else server.usage()

        def reap() -> None:  # on a thread that waits: the end is known at once, and with its usage
            nonlocal ended_s, largest_bytes, usage
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            ended_s = time.monotonic()
            usage = Usage(used.ru_utime + used.ru_stime, used.ru_minflt + used.ru_majflt)
            largest_bytes = used.ru_maxrss * KIB
            ended.set()

        waiter = threading.Thread(target=reap, name=f"workbench-command-{process.pid}", daemon=True)
        waiter.start()
        samples: list[int] = []
        peak_bytes = 0
        is_overdue = False
        code: int | None = None  # of the server

        def sample() -> None:
            nonlocal peak_bytes
            total_bytes = 0
            tally.take()
            for pid in (server or self).list_pids():
                with contextlib.suppress(NoProcess):
                    total_bytes += resident_bytes(pid)
                    peak_bytes = max(peak_bytes, peak_resident_bytes(pid))
            if total_bytes > 0:
                samples.append(total_bytes)
            peak_bytes = max(peak_bytes, total_bytes)

        try:
            while not ended.wait(_POLL_S) and not is_overdue and not code:
                sample()
                is_overdue = time.monotonic() >= self._started_s + timeout_s
                code = None if server is None else server.poll()
            if server is not None and before is not None:
                sample()  # also where the client was too quick for the first
                usage = server.usage() - before
                if code is None:
                    tally.finish()
        finally:
            self.kill()
            waiter.join()
        if server is None:
            peak_bytes = max(peak_bytes, largest_bytes)
        status, message = self.judge("it" if server is None else "the client", is_overdue=is_overdue)
        if server is not None:
            # A client notices a server's end before the server can be waited for.
            code = server.wait(_LAST_WORDS_S if message else 0.0)
            if code or (code is not None and message):
                status, message = server.judge("the server")
                if not code:
                    status, message = "failed", "the server ended before its client did"
        return Outcome(
            status,
            message,
            exit_code=process.returncode if process.returncode >= 0 else None,
            operations=1,
            elapsed_s=ended_s - self._started_s,
            processor_s=usage.processor_s,
            page_faults=usage.page_faults,
            mean_resident_bytes=sum(samples) // len(samples) if samples else 0,
            peak_resident_bytes=peak_bytes,
            sample_count=len(samples),
            output_tail=self.output_tail(),
            probed=tally.tell(),
        )

    def judge(self, name: str, *, is_overdue: bool = False) -> tuple[str, str]:
        """What came of it, once it has ended: a status, and a sentence about `name` unless it completed."""
        code, last = self._process.wait(), quote_last_line(self.output_tail())
        if is_overdue:
            return "timed out", f"{name} did not end in time and was killed"
        if code < 0:
            return "crashed", f"{name} was {describe_kill(-code)}{last}"
        if code > 0:
            return "failed", f"{name} ended with exit code {code}{last}"
        return "completed", ""


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
