"""Typing commands as a user does, and a program to tune with them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import Result

WORKBENCH = Path(sys.executable).parent / "workbench"
PATIENCE_S = 180.0

# Allocates on every line it reads, and answers: it can be asked to have adopted what was set.
PROGRAM = """
import sys
print("ready", flush=True)
for line in sys.stdin:
    blocks = [bytearray(48) for _ in range(int(line))]
    del blocks
    print("done", flush=True)
"""


@dataclass
class Finished:
    """What a command left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def run_workbench(
    *arguments: object, stdin: str = "", env: dict[str, str] | None = None, cwd: Path | None = None
) -> Finished:
    """Run the installed command as a user would."""
    done = subprocess.run(
        [WORKBENCH, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=os.environ | (env or {}),
        cwd=cwd,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def run_in_terminal(*arguments: object, columns: int, lines: int = 60) -> Finished:
    """Run the installed command in a terminal of this size; both of its outputs are there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environment = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES")}
    try:
        with subprocess.Popen(
            [WORKBENCH, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment | {"TERM": "xterm"},
        ) as process:
            os.close(theirs)
            shown = b""
            # How a terminal says that its last user is gone.
            with contextlib.suppress(OSError):
                while chunk := os.read(ours, 65536):
                    shown += chunk
            status = process.wait(PATIENCE_S)
    finally:
        os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    return Finished(status, text.replace("\r\n", "\n").replace("\r", "\n"), "")


def wait_until(is_true: Callable[[], bool]) -> None:
    """Poll for what no event tells of; the cap only ends a hang."""
    end_s = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < end_s, "did not come true"
        time.sleep(0.01)


@contextlib.contextmanager
def start(command: Sequence[object], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a process that is gone afterwards, whatever happens."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        process.communicate()


class Program:
    """A python program under `workbench exec`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid

    def allocate(self, count: int) -> None:
        """Make it allocate and free `count` blocks, and wait until it has."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def assert_refused(result: Result | Finished, *said: str) -> None:
    """Status 2, nothing on standard output, one line on standard error that says all of `said`."""
    status = result.status if isinstance(result, Finished) else result.exit_code
    assert status == 2, (result.stdout, result.stderr)
    assert result.stdout == ""
    assert result.stderr.startswith("workbench: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    for words in said:
        assert words in result.stderr
