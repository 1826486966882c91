"""A program of its own: tells, when asked by a byte on its input, which signals were sent to it since."""

import os
import signal


def main() -> None:
    """Answer until the input ends: how many there are, and their numbers, a byte each."""
    while os.read(0, 1):
        found = []
        while (info := signal.sigtimedwait(signal.valid_signals(), 0)) is not None:
            found.append(info.si_signo)
        os.write(1, bytes([len(found), *found]))


if __name__ == "__main__":
    main()
