"""Signals that this process gets in place of a program it runs: the program gets them, once each."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from types import FrameType
from typing import Any, Self

from workbench.inherited import was_ignoring_children
from workbench.processes import signal_witness

# The kernel's word to this process itself, on what it did; and what no process can take.
_OWN = {
    signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE,
    signal.SIGILL, signal.SIGTRAP, signal.SIGSYS, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGXCPU,
    signal.SIGTTIN, signal.SIGTTOU,
}  # fmt: skip
_PATIENCE_MS = 2000
_ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}


class SignalRelay:
    """Passes on to a program what is sent to this process, from `with` on; this process goes on.

    What is sent to the whole process group, as Ctrl-C on a terminal, has reached the program, and is not
    sent again. Signals that this process was started with ignored, or blocked, are so in the program;
    they are passed on all the same, for it may listen later. Other handlers than the default ones stay,
    but for SIGINT, SIGTERM, SIGHUP and SIGQUIT. Outside the main thread all signals are someone else's.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting: deque[tuple[int, bool]] = deque()  # and whether it came while the witness was asked
        self._asked: int | None = None
        self._before: dict[int, Any] = {}
        self._ignored: list[int] = []
        self._blocked_before: set[int] = set()
        self._witness: _Witness | None = None
        self._is_passing_on = False
        self._is_main = threading.current_thread() is threading.main_thread()
        #: Whether the program has to be started with SIGCHLD ignored.
        self.ignores_children = False

    def give(self, process: subprocess.Popen[bytes]) -> None:
        """From now on this is the program. What came before goes to it."""
        self._process = process
        if not self._is_main:
            return
        for number in self._ignored:  # not before: the program would find them at their defaults
            self._take(number)
        self._blocked_before = set(signal.pthread_sigmask(signal.SIG_BLOCK, []))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._before.keys())
        self._pass_on()

    def __enter__(self) -> Self:
        if not self._is_main:
            return self
        self._witness = _Witness()
        for number in sorted(signal.valid_signals() - _OWN):
            handler = signal.getsignal(number)
            if handler is signal.SIG_IGN:
                self._ignored.append(number)
            elif handler is signal.SIG_DFL or number in _ENDING:
                self._take(number)
        self.ignores_children = was_ignoring_children()
        if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # else the program's status would be lost
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return self

    def __exit__(self, *_: object) -> None:
        if self._witness is not None:
            self._witness.close()
        for number, handler in self._before.items():
            with contextlib.suppress(TypeError):  # a handler that is not Python's cannot be put back
                signal.signal(number, handler)
        if self._blocked_before:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._blocked_before)

    def _take(self, number: int) -> None:
        with contextlib.suppress(OSError, ValueError):  # the C library keeps some for itself
            self._before[number] = signal.signal(number, self._receive)

    def _receive(self, number: int, _: FrameType | None) -> None:
        self._waiting.append((number, number == self._asked))
        if self._process is not None:
            self._pass_on()

    def _pass_on(self) -> None:
        if self._is_passing_on:  # another signal came in the middle of this: it is in the queue
            return
        self._is_passing_on = True
        try:
            while self._waiting:
                number, is_doubtful = self._waiting.popleft()
                if not self._is_of_the_group(number) and not is_doubtful:
                    with contextlib.suppress(OSError):  # it has another user by now
                        self._process.send_signal(number)  # type: ignore[union-attr]
                if number == signal.SIGTSTP:
                    self._stop_too()
        finally:
            self._is_passing_on = False

    def _is_of_the_group(self, number: int) -> bool:
        """Whether it was sent to the whole group. Of two alike in an instant the witness tells one only."""
        self._asked = number
        is_of_the_group = self._witness is not None and self._witness.has_seen(number)
        self._asked = None
        if not is_of_the_group:
            for _ in range(len(self._waiting)):  # in place: the next may come at any moment
                other, is_doubtful = self._waiting.popleft()
                self._waiting.append((other, is_doubtful and other != number))
        return is_of_the_group

    def _stop_too(self) -> None:
        """Stop as the program does, or not, as the kernel sees fit: the shell waits for this process."""
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._receive)


class _Witness:
    """A process of this group that keeps what is sent to it: one that it has was sent to the whole group."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._seen: set[int] = set()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", signal_witness.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={},
            )
        except OSError:
            pass  # every signal then is taken for one to this process alone
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        self._ask()  # it is ready when it answers

    def has_seen(self, number: int) -> bool:
        """Whether that signal was sent to it as well since this was asked last."""
        self._seen.update(self._ask())
        if number not in self._seen:
            return False
        self._seen.remove(number)
        return True

    def close(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ask(self) -> bytes:
        if self._process is None:
            return b""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(b"?")
            ready = select.poll()
            ready.register(self._process.stdout, select.POLLIN)
            if ready.poll(_PATIENCE_MS):
                count = self._process.stdout.read(1) or b"\0"
                return self._process.stdout.read(count[0]) or b""
        except OSError:
            pass
        self.close()  # somebody ended or stopped it
        return b""
