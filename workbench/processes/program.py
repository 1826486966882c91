"""A program that is not ours, started here under an allocator, to be attached to."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import IO

from workbench.allocators import DEFAULT_ALLOCATOR, RUNNER, get_allocator
from workbench.control import ControlBlock, Value, explain_no_block
from workbench.errors import NoProcess, WorkerFailed
from workbench.processes.launcher import spawn
from workbench.processes.preload import check_preloadable, preload_environment

_POLL_S = 0.01
_BLOCK_TIMEOUT_S = 30.0
_TAIL_BYTES = 16384


class Program:
    """A running program with an allocator preloaded. Made by `start`; a context manager that ends it."""

    def __init__(
        self, process: subprocess.Popen[bytes], output: IO[bytes], command: Sequence[str], kind: str
    ) -> None:
        self._kind = kind
        self._process = process
        self._output = output
        self._command = tuple(command)

    @classmethod
    def start(
        cls,
        command: Sequence[str],
        settings: Mapping[str, Value] | None = None,
        environment: Mapping[str, str] | None = None,
        allocator: str = DEFAULT_ALLOCATOR,
    ) -> Program:
        """Start a program in a process group of its own; it is killed when this process ends.

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
        output = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the program)
        try:
            process = spawn(["--exec", *command], variables, stdout=output, stderr=output)
        except BaseException:
            output.close()
            raise
        return cls(process, output, command, found.kind)

    @property
    def pid(self) -> int:
        """Pid of the process, also after its end."""
        return self._process.pid

    def open_block(self, timeout_s: float = _BLOCK_TIMEOUT_S) -> ControlBlock:
        """Open the allocator's control block, once the program has one.

        Raises
        ------
        WorkerFailed
            If it ends, or `timeout_s` seconds pass, before that.
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
                said = self.output_tail().strip().splitlines()
                last = f"; it said: {said[-1]}" if said else ""
                problem, _ = explain_no_block()
                reason = f": {problem}" if problem else ""
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

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
