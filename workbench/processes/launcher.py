"""Starts child processes that die with this one.

The kernel's death signal (PR_SET_PDEATHSIG) follows the thread that started the child, not the process.
A slider's or a request's thread may end any time, so every child is started by one thread that lives as
long as the interpreter.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import IO

from workbench.allocators import RUNNER


@cache
def _launcher() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="workbench-launcher")


# A forked child has no such thread: it makes its own.
os.register_at_fork(after_in_child=_launcher.cache_clear)


def spawn(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
    folder: Path | None = None,
    runner: Path = RUNNER,
) -> subprocess.Popen[bytes]:
    """Start the runner with these arguments and no others of our environment, in a process group of its own.

    What it writes, descriptors and the folder are as for subprocess.Popen; by default it runs where we do.
    """

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [str(runner), "--die-with-parent", str(os.getpid()), *arguments],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=pass_fds,
            cwd=folder,
            process_group=0,
        )

    return _launcher().submit(start).result()


def spawn_program(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    output: IO[bytes],
    folder: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own; what it writes goes to one file.

    Its process is not the one that was forked here. That one keeps the peak of its memory across exec, which
    was this interpreter's, so `os.wait4` would not tell that of a smaller program.
    """
    read_end, write_end = os.pipe()
    with os.fdopen(read_end) as report:
        try:
            process = spawn(
                ["--ready-descriptor", str(write_end), "--exec", *command],
                environment,
                stdout=output,
                stderr=output,
                pass_fds=[write_end],
                folder=folder,
            )
        finally:
            os.close(write_end)
        pid = int(report.readline() or process.pid)
    if pid != process.pid:
        process.wait()
        process.pid, process.returncode = pid, None  # a child of this process, too
    return process
