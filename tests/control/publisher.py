"""Starts a process that publishes a pond, and ends when its input does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SCRIPT = """
import os, sys
from workbench.control.testing import make_block
made = make_block()
print(made.path, flush=True)
for line in sys.stdin:
    if line.strip() == "exec":
        os.execv("/bin/cat", ["cat"])
"""


@contextmanager
def publish_pond() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the path of its block."""
    with subprocess.Popen(
        [sys.executable, "-c", _SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()
