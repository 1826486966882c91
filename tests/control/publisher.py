"""A process that publishes a pond, and ends when its input does; files of the dead kept and removed."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.control import sweep_dead_blocks

_SCRIPT = """
import os, sys
from tests.control.made_up import make_block
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


@contextmanager
def keep_file(path: Path) -> Iterator[None]:
    """Keep a block's file although its process dies meanwhile: any start or command may remove it else."""
    with path.open("rb") as file:
        # Waits while the publisher has the lock, and is the first to get it then.
        thread = threading.Thread(target=fcntl.flock, args=(file, fcntl.LOCK_SH), daemon=True)
        thread.start()
        yield
        thread.join(60)  # it has the lock then: the publisher is dead


def sweep_until_gone(*paths: Path) -> None:
    """Have files of the dead removed; one that somebody looks at just now stays for the next sweep."""
    deadline_s = time.monotonic() + 60
    while any(path.exists() for path in paths) and time.monotonic() < deadline_s:
        sweep_dead_blocks()
    assert not any(path.exists() for path in paths)
