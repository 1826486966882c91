"""Damaged blocks: a clear error or a valid reading, never a crash."""

from __future__ import annotations

import fcntl
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.control.made_up import MadeUpBlock, make_block
from workbench.control import ControlBlock, Metric, Tunable
from workbench.errors import DamagedBlock, WrongAbi

# In a process of its own, so that a crash is seen as one; with little memory, so that a block cannot make
# its reader ask for much.
_FUZZ = """
import fcntl, os, random, resource, sys
from workbench.control import ControlBlock, Metric, Tunable
from tests.control.made_up import make_block
from workbench.errors import WorkbenchError

path, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
chance = random.Random(seed)
with open("/proc/self/statm") as file:
    most_bytes = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE") + (2 << 30)
resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))

def read_all(block):
    block.info, repr(block), block.alive()
    for settings in (block.requested(), block.effective()):
        for name, value in settings.values.items():
            block.tunables[name].format(value)
    snapshot = block.snapshot()
    for name in block.metrics:
        snapshot.by_group(name) if not block.metrics[name].is_derived else None
        snapshot.value(name, snapshot)
    block.adoption()
    for axes in {metric.axes for metric in block.metrics.values()}:
        snapshot.to_frame(*axes)
    batch = block.events(chance.choice((0, 1, 10, 2**64 - 1)))
    [str(event) for event in batch], batch.counts(), batch.to_frame()
    block.check({name: tunable.default for name, tunable in block.tunables.items()})
    block.set({"pond.depth": 10})

with make_block() as made:
    made.write("thread.id", 5)
    for number in range(300):
        made.append_event("FISH_BORN", number, item=number % 4)
    sound = made.path.read_bytes()
    outcomes = {}
    publisher = open(path, "wb")
    fcntl.flock(publisher, fcntl.LOCK_EX)  # else it would be seen dead, and not be set
    for _ in range(rounds):
        damaged = bytearray(sound)
        kind = chance.random()
        if kind < 0.1:
            del damaged[chance.randrange(len(damaged)):]
        else:
            limit = chance.choice((512, 1024, len(sound) // 2, len(sound)))
            for _ in range(chance.choice((1, 1, 2, 8, 64))):
                place = chance.randrange(limit)
                damaged[place] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        with open(path, "wb") as file:
            file.write(damaged)
        try:
            with ControlBlock.open(path) as block:
                if kind > 0.95:
                    os.truncate(path, chance.randrange(len(damaged)))
                read_all(block)
            outcome = "read"
        except WorkbenchError as error:
            assert str(error) and "\\n" not in str(error), error
            outcome = type(error).__name__
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
print(outcomes)
assert outcomes["read"] and outcomes["DamagedBlock"]
"""


@pytest.mark.parametrize("seed", [1, 2])
def test_flipped_bytes_and_cut_ends(tmp_path: Path, seed: int) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _FUZZ, str(tmp_path / "block"), str(seed), "400"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, f"status {result.returncode}\n{result.stdout}\n{result.stderr}"


def patch(made: MadeUpBlock, path: Path, offset: int, content: bytes) -> Path:
    """A copy of the block with some bytes changed."""
    sound = made.path.read_bytes()
    path.write_bytes(sound[:offset] + content + sound[offset + len(content) :])
    return path


def test_a_block_of_the_first_abi_is_read(pond: MadeUpBlock, tmp_path: Path) -> None:
    first = patch(pond, tmp_path / "block", 8, struct.pack("<I", 1))
    with ControlBlock.open(first) as block, pond.open() as newest:
        assert block.tunables == newest.tunables
        assert block.requested() == newest.requested()
        assert (block.snapshot().values["fish.count"] == newest.snapshot().values["fish.count"]).all()
        assert block.actions == {}


def test_another_abi_is_named(pond: MadeUpBlock, tmp_path: Path) -> None:
    with pytest.raises(WrongAbi, match="has ABI version 7, this workbench reads 1 to 2: use the workbench"):
        ControlBlock.open(patch(pond, tmp_path / "block", 8, struct.pack("<I", 7)))


def test_what_is_no_block_is_named(pond: MadeUpBlock, tmp_path: Path) -> None:
    with pytest.raises(DamagedBlock, match="is not a control block"):
        ControlBlock.open(patch(pond, tmp_path / "block", 0, b"PNG"))
    (tmp_path / "short").write_bytes(b"short")
    with pytest.raises(DamagedBlock, match="shorter than its header"):
        ControlBlock.open(tmp_path / "short")
    (tmp_path / "cut").write_bytes(pond.path.read_bytes()[:5000])
    with pytest.raises(DamagedBlock, match=r"it has 5000 of \d+ bytes"):
        ControlBlock.open(tmp_path / "cut")


def test_a_file_that_shrinks_while_it_is_read(pond: MadeUpBlock, tmp_path: Path) -> None:
    pond.append_event("RAIN")
    path = patch(pond, tmp_path / "block", 0, b"")
    with path.open("r+b") as file, ControlBlock.open(path) as block:
        fcntl.flock(file, fcntl.LOCK_EX)  # as its publisher would
        file.truncate(4096)
        for call in (block.snapshot, block.requested, block.events, lambda: block.set({"pond.depth": 5})):
            with pytest.raises(DamagedBlock, match="cut short"):
                call()


def test_names_that_stand_twice_are_refused(pond: MadeUpBlock, tmp_path: Path) -> None:
    place = pond.path.read_bytes().index(b"pond.lowest\0")
    with pytest.raises(DamagedBlock, match=r"'pond.depth' stands in it twice"):
        ControlBlock.open(patch(pond, tmp_path / "block", place, b"pond.depth\0"))


def test_a_metric_derived_from_itself_is_refused() -> None:
    metrics = [
        Metric("a", kind="quotient", operands=("b", "c")),
        Metric("b", kind="difference", operands=("a", "c")),
        Metric("c"),
    ]
    with make_block(metrics=metrics) as made, pytest.raises(DamagedBlock, match="a is derived from itself"):
        made.open()


def test_text_of_others_cannot_drive_the_terminal() -> None:
    tunables = [Tunable("a.b", help="\x1b[2Jgone\nline", unit="\x07")]
    with (
        make_block(tunables=tunables, constraints=[], build="\x1b]0;title\x07") as made,
        made.open() as block,
    ):
        assert block.tunables["a.b"].help.isprintable()
        assert block.tunables["a.b"].unit.isprintable()
        assert block.info.build.isprintable()
