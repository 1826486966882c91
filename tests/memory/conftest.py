"""A program that does what it is told to, line by line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.terminal import WORKBENCH, start

# The C library's functions: what is asked of them is asked of the allocator.
PROGRAM = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.calloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
def fill(count, size):
    blocks = [libc.malloc(size) for _ in range(count)]
    for block in blocks:
        libc.memset(block, 1, size)
    return blocks
def free(blocks):
    for block in blocks:
        libc.free(block)
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Obedient:
    """A running program that carries out lines of Python."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.pid = process.pid

    def do(self, line: str) -> None:
        """Have it carry out a line, and wait until it has."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@contextmanager
def run_obedient(*options: str) -> Iterator[Obedient]:
    """Run it by `workbench exec`, with options of that."""
    with start([WORKBENCH, "exec", *options, "--", sys.executable, "-c", PROGRAM]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Obedient(process)


@pytest.fixture
def program() -> Iterator[Obedient]:
    with run_obedient() as started:
        yield started
