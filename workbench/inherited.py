"""What this process was started with that it cannot work with: closed descriptors, children ignored.

It gets something to work with; a program that it executes finds all as it was.
"""

from __future__ import annotations

import errno
import os
import signal
import sys

_NULL = {0: os.O_RDONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}
_was_ignoring_children = False


def settle() -> None:
    """Make up for what is missing. To be called before anything else is opened.

    In place of standard input and error there is the null device. It can be read only in place of standard
    output: a command whose output cannot be written has to say so. Programs that are executed do not
    inherit any of the three, and so find them closed.
    """
    global _was_ignoring_children  # noqa: PLW0603 (a process has one)
    for descriptor, mode in _NULL.items():
        try:
            os.fstat(descriptor)
        except OSError as error:
            if error.errno == errno.EBADF:
                os.open(os.devnull, mode | os.O_CLOEXEC)  # the lowest number that is free: this one
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 (open as long as the process is)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # the kernel would keep no status of a child
        _was_ignoring_children = True
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def was_ignoring_children() -> bool:
    """Whether SIGCHLD was ignored, and has to be so in a program that is executed."""
    return _was_ignoring_children or signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN
