"""What Ctrl-C does while the program starts and while it ends: both are no moment for a traceback."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

STATUS_INTERRUPTED = 130  # 128 + SIGINT, as a shell says it


def end_at_once() -> None:
    """From now on Ctrl-C ends the process at once, without a word.

    An import that is interrupted would print a traceback, or be taken for a package that is missing.
    Where someone else handles SIGINT (`nohup`, a notebook, a test) nothing changes.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    # The command of a checkout has it wait while Python itself starts (scripts/workbench.sh).
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


def _end(*_: object) -> None:
    os._exit(STATUS_INTERRUPTED)
