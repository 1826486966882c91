"""Programs under the agent, and their blocks."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, run_environment
from workbench.control import ControlBlock, native_directory

AGENT = native_directory() / "libworkbench-agent.so"
CAP_S = 180.0

# Evaluates a line of its input and prints what came of it; `library` calls what the process has loaded.
EVALUATOR = """
import ctypes, sys
library = ctypes.CDLL(None)
print("ready", flush=True)
for line in sys.stdin:
    try:
        print(eval(compile(line, "line", "eval")), flush=True)
    except SyntaxError:
        exec(line)
        print(None, flush=True)
"""


class Evaluator:
    """A Python program under an allocator and the agent, which does what it is told."""

    def __init__(self, process: subprocess.Popen[str], kind: str) -> None:
        self.process = process
        self.kind = kind
        self.pid = process.pid
        assert self.readline() == "ready"

    def readline(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, line: str) -> str:
        """Have a line of Python evaluated; what it printed."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.readline()

    def open(self) -> ControlBlock:
        """The block of the allocator."""
        return ControlBlock.open(self.pid, self.kind)


def agent_environment(allocator: str = "glibc", **variables: str) -> dict[str, str]:
    """Environment of a program under an allocator and the agent."""
    library = get_allocator(allocator).library
    preloads = [str(AGENT)] if library is None else [str(library), str(AGENT)]
    fixed = {"LD_PRELOAD": ":".join(preloads), "PYTHONMALLOC": "malloc"}
    return run_environment(None) | fixed | variables


@contextmanager
def run_evaluator(allocator: str, kind: str, **variables: str) -> Iterator[Evaluator]:
    """Start one; it ends with its input, and well."""
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", EVALUATOR],
        env=agent_environment(allocator, **variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Evaluator(process, kind)
            _, said = process.communicate(timeout=CAP_S)
            assert (process.returncode, said) == (0, "")
        finally:
            process.kill()


def resident_bytes(pid: int) -> int:
    """Memory of a process in RAM, as the system counts it."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something holds, which a thread of another process brings about."""
    deadline_s = time.monotonic() + CAP_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


@pytest.fixture
def block(program: Evaluator) -> Iterator[ControlBlock]:
    """The block of the allocator that a test's program runs under."""
    with program.open() as opened:
        yield opened


def build(name: str, folder: Path, *options: str) -> Path:
    """Build the program of that name beside the tests."""
    source, program = Path(__file__).parent / f"{name}.c", folder / name
    compiler = os.environ.get("CC", "gcc")
    subprocess.run([compiler, "-O1", source, "-o", program, "-pthread", *options], check=True, timeout=CAP_S)
    return program


@pytest.fixture(scope="session")
def life(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of that name, built."""
    return build("life", tmp_path_factory.mktemp("programs"))
