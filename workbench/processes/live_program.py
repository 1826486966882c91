"""A command, or a server with its load, that goes on until somebody stops it, watched and tuned meanwhile."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from workbench.allocators import get_allocator
from workbench.errors import BadParameter, NoProcess, NotPermitted, WorkbenchError
from workbench.processes.command import WHILE_STOPPING, open_folder, run_command
from workbench.processes.group_block import GroupBlock
from workbench.processes.machine import find_c_library
from workbench.processes.outcome import Outcome
from workbench.processes.program import Program
from workbench.processes.runs import MAXIMUM_SECONDS, Run

_STOP_GRACE_S = 5.0
# A program that has no control block after so long is watched without one.
_BLOCK_TIMEOUT_S = 5.0
# Clients follow each other not faster than this.
_CLIENT_S = 0.2


class LiveProgram:
    """A run of a command under an allocator. A thread sees to it; who started it looks and stops.

    A command runs to its end. A server runs until it is stopped or its client fails: whenever a client has
    ended, the next one begins.

    Parameters
    ----------
    spec : Run
        It is not checked here (`Run.check`).

    Attributes
    ----------
    spec : Run
    pid : int or None
        The command or the server, once it began; also after its end.
    allocator_block : GroupBlock or None
        The group of it and all that it starts, once `is_open`.
    figures : mapping of str to float
        By name, what the latest client, or the command, told of itself.
    is_stopping : bool
        Whether it was asked to end.
    """

    workload_block = None

    def __init__(self, spec: Run) -> None:
        self.spec = spec
        self.pid: int | None = None
        self.allocator_block: GroupBlock | None = None
        self.figures: Mapping[str, float] = {}
        self.is_stopping = False
        self._kind = get_allocator(spec.allocator).kind
        self._lock = threading.Lock()
        self._programs: dict[str, Program] = {}  # the latest of each sort
        self._clients = 0
        self._began_s = self._started_s = time.monotonic()
        self._kill_at_s = 0.0
        self._news: list[str] = []
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, name=f"program {spec.workload}", daemon=True)
        self._thread.start()

    def is_open(self) -> bool:
        """Whether it has begun: its control block is open, or it will have none."""
        if self.poll() is not None:
            return True
        if self.pid is None:
            return False
        reason = "this allocator publishes none"
        try:
            if self._kind:
                self.allocator_block = GroupBlock(f"parent:{self.pid}", self._kind)
                return True
        except (NoProcess, NotPermitted) as error:
            if time.monotonic() < self._started_s + _BLOCK_TIMEOUT_S:
                return False
            reason = str(error)
        self._tell(f"it has no control block, only its memory is shown: {reason}")
        return True

    def poll(self) -> Outcome | None:
        """What came of it; None while it runs."""
        if self._outcome is None and self.is_stopping and time.monotonic() > self._kill_at_s:
            self._kill()
        return self._outcome

    def take_news(self) -> list[str]:
        """Lines about what happened since the last call."""
        with self._lock:
            news, self._news = self._news, []
            return news

    def pause(self) -> None:
        """Let the program and its client stand still."""
        self._signal(signal.SIGSTOP, "tested", "client")

    def resume(self) -> None:
        """Go on after a pause."""
        self._signal(signal.SIGCONT, "tested", "client")

    def stop(self) -> None:
        """Ask it to end, as its plan says; it is killed some seconds later. Returns at once."""
        server = self.spec.server
        with self._lock:
            self.is_stopping = True
            self._kill_at_s = time.monotonic() + _STOP_GRACE_S + (server.grace_s if server else 0.0)
        if "client" in self._programs:  # the server is stopped when its client has ended
            self._signal(signal.SIGKILL, "client")
        else:
            self._signal(signal.SIGTERM, "tested", "helper")
        self.resume()

    def close(self) -> None:
        """End it and all that it started, and close the control blocks."""
        with self._lock:
            self.is_stopping = True
            self._kill_at_s = 0.0
        while self._thread.is_alive():
            self._kill()
            self._thread.join(_CLIENT_S)
        if self.allocator_block is not None:
            self.allocator_block.close()

    def _signal(self, number: int, *sorts: str) -> None:
        for sort in sorts:
            if (program := self._programs.get(sort)) is not None:
                program.send_signal(number)

    def _kill(self) -> None:
        for program in list(self._programs.values()):
            if not program.has_ended:
                program.kill()

    # --- the thread ---

    def _run(self) -> None:
        try:
            with open_folder(self.spec) as folder:
                outcome = run_command(self.spec, folder, MAXIMUM_SECONDS, find_c_library(), self)
        except (WorkbenchError, OSError) as error:
            outcome = Outcome("failed", str(error))
        if outcome.status == "completed" and self.spec.server is None:
            self._read_figures(outcome)
        is_done = self.spec.server is None and outcome.status == "completed"
        if self.is_stopping and not is_done and not outcome.message.endswith(WHILE_STOPPING):
            outcome = replace(outcome, status="stopped", message="it was stopped on request")
        self._outcome = replace(
            outcome, elapsed_s=time.monotonic() - self._started_s, operations=self._clients
        )

    def note(self, program: Program, sort: str) -> None:
        """One of its programs began."""
        with self._lock:
            self._programs[sort] = program
            is_unwanted = self.is_stopping and sort != "stopper"
        if sort == "tested":
            self._started_s = time.monotonic()
            self.pid = program.pid
        if sort == "client":
            self._began_s = time.monotonic()
            if not self._clients:
                self._tell(f"ready after {self._began_s - self._started_s:.1f} s; its client runs")
        if is_unwanted:
            program.kill()

    def goes_on(self, outcome: Outcome) -> bool:
        """A client ended: reads its figures; whether the next one is to begin."""
        if outcome.message:
            return False
        self._clients += 1
        self._read_figures(outcome)
        while not self.is_stopping and (left_s := self._began_s + _CLIENT_S - time.monotonic()) > 0:
            time.sleep(left_s)
        return not self.is_stopping

    def _read_figures(self, outcome: Outcome) -> None:
        figures: dict[str, float] = {}
        for figure in self.spec.figures:
            try:
                figures[figure.name] = figure.read(outcome.output_tail, outcome.probed)
            except BadParameter as error:
                self._tell(str(error))
        if figures and not self.figures:
            units = {figure.name: figure.unit for figure in self.spec.figures}
            told = ", ".join(f"{name} {value:g} {units[name]}".rstrip() for name, value in figures.items())
            self._tell(f"its first figures: {told}")
        self.figures = figures

    def _tell(self, line: str) -> None:
        with self._lock:
            self._news.append(line)
