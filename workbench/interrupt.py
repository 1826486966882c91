"""What Ctrl-C does while the program starts and while it ends: both are no moment for a traceback.

And what SIGTERM and SIGHUP do in between: the process tidies up before it ends by them.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

STATUS_INTERRUPTED = 130  # 128 + SIGINT, as a shell says it

_TERMINATING = (signal.SIGTERM, signal.SIGHUP)


def end_at_once() -> None:
    """From now on Ctrl-C ends the process at once, without a word.

    An import that is interrupted would print a traceback, or be taken for a package that is missing.
    Where someone else handles SIGINT (`nohup`, a notebook, a test) nothing changes.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    # The command of a checkout has it wait while Python itself starts (scripts/install_command.sh).
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def raise_again() -> None:
    """From now on Ctrl-C is a KeyboardInterrupt again, as Python has it."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """While this lasts Ctrl-C ends the process at once: for imports that a command does when it has begun."""
    end_at_once()
    try:
        yield
    finally:
        raise_again()


class Terminated(BaseException):
    """SIGTERM or SIGHUP came: everything ends, and tidies up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def end(self) -> None:
        """End by the signal, as one would have without tidying up."""
        os.kill(os.getpid(), self.number)


def tidy_up_when_terminated() -> None:
    """From now on SIGTERM and SIGHUP are raised as `Terminated`, so that temporary files go.

    The second of them ends the process at once. Where they are ignored, or someone else's, nothing changes.
    """
    for number in _TERMINATING:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)


def _terminate(number: int, _: object) -> None:
    for each in _TERMINATING:
        if signal.getsignal(each) is _terminate:
            signal.signal(each, signal.SIG_DFL)
    raise Terminated(number)


def _end(*_: object) -> None:
    os._exit(STATUS_INTERRUPTED)
