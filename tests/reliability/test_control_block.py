"""Control blocks of the dead and the malicious, and sets that do not come to their end."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.control.made_up import MadeUpBlock, make_block
from tests.control.publisher import keep_file
from workbench.control import ControlBlock, block_directory, find_blocks, sweep_dead_blocks
from workbench.errors import NoProcess, WorkbenchError

# Of struct hak_header; hak_block.h draws it.
START_TICKS = struct.Struct("<Q")
START_TICKS_OFFSET = 32
SECTIONS_OFFSET = 424
SECTION = struct.Struct("<QII")
REQUESTED = 7
FLOCK = struct.Struct("hhqqi4x")
HEADER_BYTES = 4096

# A thread writes nonsense over the file, cuts it and mends it, all the while it is read. In a process of
# its own, so that a crash is seen as one, with little memory and a time after which it counts as hanging.
_SCRIBBLE = """
import fcntl, os, random, resource, signal, sys, threading
from workbench.control import ControlBlock
from tests.control.made_up import make_block
from workbench.errors import WorkbenchError

path, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
signal.alarm(240)
with open("/proc/self/statm") as file:
    most_bytes = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE") + (2 << 30)
resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
chance = random.Random(seed)
is_over = threading.Event()

def scribble(sound):
    file = os.open(path, os.O_RDWR)
    while not is_over.is_set():
        way = chance.random()
        place = chance.randrange(512 if way < 0.4 else len(sound))
        if way < 0.7:
            os.pwrite(file, bytes(chance.choices((0, 1, 127, 255), k=chance.randrange(1, 9))), place)
        elif way < 0.8:
            os.ftruncate(file, place)
        else:
            os.pwrite(file, sound, 0)

with make_block() as made:
    sound = made.path.read_bytes()
    publisher = open(path, "wb", buffering=0)
    publisher.write(sound)
    fcntl.flock(publisher, fcntl.LOCK_EX)  # else it would be seen dead, and not be set
    writer = threading.Thread(target=scribble, args=(sound,))
    writer.start()
    outcomes = {}
    for _ in range(rounds):
        outcome = "read"
        try:
            with ControlBlock.open(path) as block:
                for call in (block.requested, block.effective, block.snapshot, block.events, block.alive,
                             lambda: block.set({"pond.depth": 10})):
                    call()
        except WorkbenchError as error:
            assert str(error) and "\\n" not in str(error), error
            outcome = type(error).__name__
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    is_over.set()
    writer.join()
print(outcomes)
"""


@pytest.mark.parametrize("seed", [2, 8])
def test_bytes_that_change_while_they_are_read(tmp_path: Path, seed: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIBBLE, str(tmp_path / "block"), str(seed), "1500"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "DamagedBlock" in done.stdout


def _requested_offset(content: bytes) -> int:
    offset, count, stride = SECTION.unpack_from(content, SECTIONS_OFFSET + REQUESTED * SECTION.size)
    assert (count, stride) == (8, 8)  # as many tunables as a pond has
    return int(offset)


@contextmanager
def _reused_pid(pond: MadeUpBlock) -> Iterator[Path]:
    """A block whose process died and whose pid is now this process's."""
    content = bytearray(pond.path.read_bytes())
    (ticks,) = START_TICKS.unpack_from(content, START_TICKS_OFFSET)
    assert f".{ticks}." in pond.path.name
    START_TICKS.pack_into(content, START_TICKS_OFFSET, ticks - 1)
    path = block_directory() / f"{os.getpid()}.{ticks - 1}.pond"
    path.write_bytes(content)
    path.chmod(0o600)
    yield path
    path.unlink(missing_ok=True)


def test_a_pid_that_another_process_has_now(pond: MadeUpBlock) -> None:
    with _reused_pid(pond) as path, keep_file(path):
        assert [info.path for info in find_blocks(os.getpid(), "pond")] == [pond.path]
        with ControlBlock.open(path) as block:
            assert not block.alive()
            assert block.requested().values["pond.depth"] == 4
            with pytest.raises(NoProcess, match="does not run any more"):
                block.set({"pond.depth": 5})
        with ControlBlock.open(os.getpid(), "pond") as block:
            assert block.info.path == pond.path
        assert path not in sweep_dead_blocks()  # while somebody holds the lock, whoever it is
        assert pond.path.exists()


def test_a_set_that_stopped_at_any_word_leaves_the_old_setting(pond: MadeUpBlock) -> None:
    """A setter writes the slot that is not in force, word by word, and then the generation."""
    with pond.open() as block:
        block.set({"pond.depth": 7})
        count = len(block.tunables)
        for written in range(count + 1):
            before = block.requested()
            spare = _requested_offset(pond.path.read_bytes()) + (before.generation + 1) % 2 * count * 8
            with pond.path.open("r+b") as file:
                file.seek(spare)
                file.write(struct.pack(f"<{written}d", *[1.0] * written))
            assert block.requested() == before
            block.set({"pond.lowest": 1 + written % 2})
            after = block.requested()
            assert after.generation == before.generation + 1
            assert after.values == {**before.values, "pond.lowest": 1 + written % 2}


_LOCK_AND_STOP = """
import fcntl, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(file, fcntl.F_OFD_SETLK, bytes.fromhex(sys.argv[2]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_setter_that_does_not_go_on_is_named_and_one_that_dies_is_no_obstacle(pond: MadeUpBlock) -> None:
    lock = FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, HEADER_BYTES, 0)
    command = [sys.executable, "-c", _LOCK_AND_STOP, str(pond.path), lock.hex()]
    with (
        pond.open() as block,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as setter,
    ):
        assert setter.stdout is not None
        assert setter.stdout.readline() == "locked\n"
        with pytest.raises(WorkbenchError, match="locked by another setter that does not go on"):
            block.set({"pond.depth": 5})
        setter.kill()
        setter.wait()
        block.set({"pond.depth": 5})
        assert block.requested().values["pond.depth"] == 5


@pytest.fixture
def pond() -> Iterator[MadeUpBlock]:
    with make_block() as made:
        yield made
