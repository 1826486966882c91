"""Commands run to their end, alone or as clients of a server; what goes wrong is one line of the outcome."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from workbench.allocators import get_allocator, run_environment
from workbench.errors import WorkerFailed
from workbench.plain_values import show
from workbench.processes.outcome import Outcome
from workbench.processes.private_folder import open_private_folder
from workbench.processes.program import Program, quote_last_line
from workbench.processes.runs import Run
from workbench.processes.server import Server

_POLL_S = 0.01
_CONNECT_S = 1.0
#: At the end of what is said of a server that broke when it was stopped.
WHILE_STOPPING = "(while it stopped)"
# How a program ends that is broken; any other end is as good as the one that was asked for.
_CRASHES = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGTRAP")


class Watcher(Protocol):
    """Sees the programs of a command that goes on until it is stopped, on the thread that runs it."""

    is_stopping: bool

    def note(self, program: Program, sort: str) -> None:
        """One began: "tested" (what is looked at), its "client", a "helper" before that, or a "stopper"."""
        ...

    def goes_on(self, outcome: Outcome) -> bool:
        """A client ended: whether the next one is to begin."""
        ...


class _Starter:
    """Starts the programs of one command, in its folder."""

    def __init__(self, folder: Path, watcher: Watcher | None) -> None:
        self._folder, self._watcher = folder, watcher

    def start(self, command: Sequence[str], environment: Mapping[str, str], sort: str) -> Program:
        program = Program(command, environment, folder=self._folder)
        if self._watcher is not None:
            self._watcher.note(program, sort)
        return program

    def run_helper(
        self,
        command: Sequence[str],
        what: str,
        environment: Mapping[str, str],
        timeout_s: float,
        sort: str = "helper",
    ) -> None:
        """Run a command that is not measured; WorkerFailed, with its last words, unless it ends well."""
        with self.start(command, environment, sort) as program:
            message = program.measure(timeout_s).message
        if message:
            raise WorkerFailed(f"{' '.join(command)}, {what}: {message}")


@contextlib.contextmanager
def open_folder(run: Run) -> Iterator[Path]:
    """Where the command of a run runs: its folder, or a new one with links to its inputs."""
    if run.folder is not None:
        yield run.folder
        return
    with open_private_folder("workbench-run-") as private:
        folder = private / "work"
        folder.mkdir()
        for path in run.inputs:
            (folder / path.name).symlink_to(path.resolve())
        yield folder


def run_command(
    run: Run,
    folder: Path,
    timeout_s: float,
    c_library: Path | None = None,
    watcher: Watcher | None = None,
) -> Outcome:
    """Run the command of a run, after what prepares it; a crash or a timeout is an outcome, not an error.

    Parameters
    ----------
    run : Run
        If it has a server, that is what runs under the allocator and is measured.
    folder : Path
        Where all of it runs.
    timeout_s : float
        Then the command, or what prepares it, is killed with all that it started.
    c_library : Path, optional
        What is preloaded for the C library's own allocator, for programs that link another one.
    watcher : Watcher, optional
        Then the allocator has a control block, and a server's client runs again and again.

    Raises
    ------
    WorkerFailed
        If what prepares it fails, or its server is not ready.
    CannotPreload, MissingAllocator, UnknownTunable, OutOfRange, ConstraintBroken
        With the thing, the value and the remedy.
    """
    starter = _Starter(folder, watcher)
    plain = run_environment() | dict(run.environment)
    allocator, has_block = get_allocator(run.allocator), watcher is not None
    tested = allocator.run_environment(run.tunables, c_library, has_block=has_block)
    # CPython serves small objects itself otherwise.
    tested = tested | {"PYTHONMALLOC": "malloc"} | dict(run.environment)
    if run.prepare:
        starter.run_helper(run.prepare, "which prepares", plain, timeout_s)
    server = run.server
    if server is None:
        with starter.start(run.command, tested, "tested") as program:
            return program.measure(timeout_s, figures=run.figures)
    _check_port(server)
    with starter.start(server.command, tested, "tested") as service:
        _await_ready(server, service, plain, starter)
        while True:
            environment = tested if server.preloads_client else plain
            with starter.start(run.command, environment, "client") as client:
                outcome = client.measure(timeout_s, service, run.figures)
            if watcher is None or not watcher.goes_on(outcome):
                break
        if outcome.message and not (watcher is not None and watcher.is_stopping):
            return outcome
        return _stop(server, service, plain, starter, outcome)


def _check_port(server: Server) -> None:
    if not isinstance(server.ready, int):
        return
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", server.ready))
        except PermissionError:
            return  # a port that only root may have: the server says so itself
        except OSError:
            raise WorkerFailed(
                f"port {server.ready} is taken by another program; end it, or choose another port"
            ) from None


def _await_ready(server: Server, service: Program, environment: Mapping[str, str], starter: _Starter) -> None:
    """Wait until a server is ready; WorkerFailed if it ends, or its time is over, before that."""
    deadline = time.monotonic() + server.ready_timeout_s
    missing = ""
    while (left_s := deadline - time.monotonic()) > 0:
        if service.poll() is not None:
            status, message = service.judge("the server")
            if status == "completed":
                message = "the server ended with exit code 0; have it stay in the foreground"
            raise WorkerFailed(f"{message} (it was not ready yet)")
        if isinstance(server.ready, int):
            missing = f"nothing listens at port {server.ready}"
            with contextlib.suppress(OSError):
                socket.create_connection(("localhost", server.ready), min(left_s, _CONNECT_S)).close()
                return None
        elif isinstance(server.ready, str):
            missing = f"no line of its output matches {show(server.ready)}"
            if re.search(server.ready, service.output_tail(), re.MULTILINE):
                return None
        else:
            try:
                return starter.run_helper(server.ready, "which asks for it", environment, left_s)
            except WorkerFailed as error:
                # The last time there may be too little left to hear an answer.
                missing = missing if missing and time.monotonic() >= deadline else str(error)
        time.sleep(_POLL_S)
    last = quote_last_line(service.output_tail())
    raise WorkerFailed(f"the server was not ready within {server.ready_timeout_s:g} s: {missing}{last}")


def _stop(
    server: Server, service: Program, environment: Mapping[str, str], starter: _Starter, outcome: Outcome
) -> Outcome:
    """Stop a server, and say so if it breaks on the way."""
    if isinstance(server.stop, str):
        service.stop(server.grace_s, signal.Signals[server.stop])
    else:
        with contextlib.suppress(WorkerFailed):  # then the server is killed, as one that takes too long is
            starter.run_helper(server.stop, "which stops", environment, server.grace_s, "stopper")
        service.wait(server.grace_s)
        service.kill()
    status, message = service.judge("the server")
    if status == "crashed" and any(name in message for name in _CRASHES):
        return replace(outcome, status=status, message=f"{message} {WHILE_STOPPING}")
    return outcome
