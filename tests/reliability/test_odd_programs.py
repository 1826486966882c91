"""Programs that close what they did not open, become another user, or live under odd names."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.control.publisher import sweep_until_gone
from workbench.allocators import run_environment
from workbench.control import ControlBlock, block_directory, find_blocks
from workbench.processes import Program, preload_environment

CAP_S = 180.0
OTHER_UID = 61235
IS_ROOT = os.geteuid() == 0

# Answers on its standard output alone; all the rest is closed, then everything is used.
_CLOSING = """
import os, sys
answers = os.dup(1)
os.dup2(answers, 500)
os.closerange(0, 500)
blocks = [bytearray(size) for size in (50, 5000, 500_000, 5_000_000) for _ in range(50)]
del blocks
child = os.fork()
if child == 0:
    blocks = [bytearray(size) for size in (50, 5000, 500_000) for _ in range(50)]
    os._exit(0)
_, status = os.waitpid(child, 0)
os.write(500, f"{status}\\n".encode())
os.read(500, 1)
"""


@contextmanager
def run_preloaded(
    program: str, settings: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """A Python program with a socket for its standard input and output; our end of it."""
    ours, theirs = socket.socketpair()
    environment = dict(preload_environment({}, run_environment(None))) | settings
    with (
        ours,
        theirs,
        subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdin=theirs.fileno(), stdout=theirs.fileno()
        ) as process,
    ):
        ours.settimeout(CAP_S)
        theirs.close()
        try:
            yield process, ours
        finally:
            with suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)  # the end of its input, and of its children's
            try:
                process.wait(CAP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _read_line(answers: socket.socket) -> str:
    line = b""
    while not line.endswith(b"\n"):
        got = answers.recv(100)
        assert got, line
        line += got
    return line.decode().strip()


@pytest.mark.parametrize("settings", [{}, {"HAKMEM_LOG": "1"}], ids=["quiet", "logging"])
def test_a_program_that_closes_all_descriptors_is_tuned_all_the_same(settings: dict[str, str]) -> None:
    with run_preloaded(_CLOSING, settings) as (process, answers):
        assert _read_line(answers) == "0"  # how its child ended
        with ControlBlock.open(process.pid, "hakmem") as block:
            block.set({"tls.grow_percent": 60})
            assert block.requested().values["tls.grow_percent"] == 60
            assert block.alive()
    assert process.returncode == 0
    assert find_blocks(process.pid) == []


_BECOMING_ANOTHER = f"""
import os, sys
held = [bytearray(5000) for _ in range(100)]
os.setgroups([]); os.setresgid({OTHER_UID}, {OTHER_UID}, {OTHER_UID})
os.setresuid({OTHER_UID}, {OTHER_UID}, {OTHER_UID})
del held
blocks = [bytearray(size) for size in (50, 5000, 500_000, 5_000_000) for _ in range(50)]
child = os.fork()
if child == 0:
    more = [bytearray(500_000) for _ in range(50)]  # one that did nothing would have no block
    print(os.getpid(), flush=True)
    os.read(0, 1)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.fixture
def other_directory() -> Iterator[Path]:
    directory = Path(f"/dev/shm/hakmem-{OTHER_UID}")
    yield directory
    if directory.is_dir():
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()


def test_a_program_that_drops_its_privileges_goes_on_and_leaves_nothing(other_directory: Path) -> None:
    if not IS_ROOT:
        return  # nobody else can become another user
    with run_preloaded(_BECOMING_ANOTHER, {}) as (process, answers):
        child = int(_read_line(answers))
        (info,) = find_blocks(process.pid, "hakmem")
        assert info.path.parent == block_directory()  # made before
        with ControlBlock.open(info.path) as block:
            block.set({"tls.grow_percent": 60})
        (made,) = [path for path in other_directory.iterdir() if path.name.startswith(f"{child}.")]
        assert made.stat().st_uid == OTHER_UID
        assert made.stat().st_mode & 0o777 == 0o600
    assert process.returncode == 0
    sweep_until_gone(info.path)


@pytest.mark.parametrize("name", ['it\'s a "name"', "two  blanks $HOME", "line\nbreak", "ünï→", "-rf *;#"])
def test_a_program_of_any_name_is_run_listed_and_tuned(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    script = folder / f"{name}.py"
    script.write_text("import time\nprint('up', flush=True)\ntime.sleep(600)\n")
    with Program.start([sys.executable, str(script)]) as program:
        with program.open_block() as block:
            assert block.info.command.isprintable()
            block.set({"tls.grow_percent": 60})
        assert any(info.pid == program.pid for info in find_blocks(kind="hakmem"))
    assert find_blocks(program.pid) == []


def test_a_killed_worker_leaves_no_shared_memory() -> None:
    from workbench.processes import Run, Worker

    with Worker.start(Run("random_mixed", seconds=600)) as worker:
        pid = worker.pid
        paths = [info.path for info in find_blocks(pid)]
        assert paths
        worker.kill()
    sweep_until_gone(*paths)
    assert not [path for path in block_directory().iterdir() if path.name.startswith(f"{pid}.")]
