"""glibc's settings and statistics: there is no getter, so what they do is looked at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.conftest import Evaluator, resident_bytes, run_evaluator
from workbench.control import ControlBlock
from workbench.errors import BadParameter, OutOfRange, UnknownTunable

NAMES = ("M_TRIM_THRESHOLD", "M_TOP_PAD", "M_MMAP_THRESHOLD", "M_MMAP_MAX", "M_MXFAST")
# mallinfo2 of <malloc.h>: ten words.
DEFINE_INFO = (
    "info = type('Info', (ctypes.Structure,), {'_fields_': [(name, ctypes.c_size_t) for name in "
    "'arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost'.split()]}); "
    "library.mallinfo2.restype = info"
)


@pytest.fixture
def program() -> Iterator[Evaluator]:
    with run_evaluator("glibc", "glibc") as running:
        running.tell(DEFINE_INFO)
        yield running


def own(program: Evaluator, name: str) -> int:
    """A statistic as glibc itself tells the program."""
    return int(program.tell(f"library.mallinfo2().{name}"))


def allocate(program: Evaluator, size: int) -> None:
    program.tell(f"globals().update(kept=bytes({size})) or None")


def test_nothing_is_set_at_first(block: ControlBlock) -> None:
    assert block.info.build.startswith("glibc 2.")
    live = [name for name, tunable in block.tunables.items() if tunable.effect == "live"]
    assert sorted(live) == sorted(NAMES)
    assert set(block.effective().values.values()) == {-1}
    assert all(tunable.is_write_only for tunable in block.tunables.values())


def test_blocks_from_the_threshold_on_are_mapped(program: Evaluator, block: ControlBlock) -> None:
    before = own(program, "hblks")
    for setting, value, mapped in (
        ("M_MMAP_THRESHOLD", 16 << 20, 0),
        ("M_MMAP_THRESHOLD", 4 << 20, 1),
        ("M_MMAP_MAX", 0, 0),
    ):
        block.set({setting: value})
        assert block.effective().values[setting] == value
        allocate(program, 8 << 20)
        assert own(program, "hblks") == before + mapped == block.snapshot().fold("hblks")
        allocate(program, 0)


def test_a_heap_grows_by_the_pad_and_is_trimmed_above_the_threshold(
    program: Evaluator, block: ControlBlock
) -> None:
    block.set({"M_MMAP_THRESHOLD": 32 << 20, "M_TOP_PAD": 16 << 20, "M_TRIM_THRESHOLD": 512 << 20})
    block.effective()
    allocate(program, 8 << 20)
    grown = own(program, "arena")
    assert own(program, "keepcost") > 15 << 20
    allocate(program, 1)
    assert own(program, "arena") == grown
    block.set({"M_TRIM_THRESHOLD": 65536, "M_TOP_PAD": 0})
    block.effective()
    allocate(program, 2 << 20)
    allocate(program, 1)
    assert own(program, "arena") < grown - (16 << 20)


def test_small_blocks_go_to_fast_bins_if_they_may(program: Evaluator, block: ControlBlock) -> None:
    # More blocks than a thread's cache takes.
    free_many = "[None for kept in [[bytes(16) for _ in range(2000)]]] and None"
    block.set({"M_MXFAST": 0})
    block.effective()
    program.tell(free_many)
    assert own(program, "fsmblks") == 0
    block.set({"M_MXFAST": 160})
    block.effective()
    program.tell(free_many)
    assert own(program, "fsmblks") > 0


def test_metrics_are_what_glibc_tells_the_program(program: Evaluator, block: ControlBlock) -> None:
    allocate(program, 64 << 20)
    snapshot = block.snapshot()
    # A call of the program's own allocates a little.
    for metric, words in (
        ("uordblks_hblkhd", ("uordblks", "hblkhd")),
        ("arena_hblkhd", ("arena", "hblkhd")),
        ("fordblks", ("fordblks",)),
        ("keepcost", ("keepcost",)),
    ):
        assert snapshot.fold(metric) == pytest.approx(sum(own(program, word) for word in words), abs=1 << 18)
    assert snapshot.fold("hblkhd") == own(program, "hblkhd") > 64 << 20


def test_what_glibc_refuses_stays_as_it_was(program: Evaluator, block: ControlBlock) -> None:
    block.set({"M_MXFAST": 32})
    block.effective()
    block.set({"M_MXFAST": -1})
    assert block.requested().values["M_MXFAST"] == -1
    assert block.effective().values["M_MXFAST"] == 32
    refused = list(block.events())[-1]
    assert (refused.kind, refused.cause, refused.item) == ("TUNABLE_REFUSED", "INVALID_VALUE", "M_MXFAST")
    assert (refused.old_value, refused.new_value) == (32, -1)


def test_a_value_out_of_range_changes_nothing(block: ControlBlock) -> None:
    before = block.requested()
    with pytest.raises(OutOfRange, match="M_MXFAST = 161 is out of range"):
        block.set({"M_MXFAST": 161})
    assert block.requested() == before


def test_a_trim_gives_memory_back_and_says_how_much(program: Evaluator, block: ControlBlock) -> None:
    # Every second block of 64 MiB is free, and none of them at the top.
    program.tell("globals().update(kept=[bytes(20000) for _ in range(3300)]) or None")
    program.tell("kept.__delitem__(slice(None, None, 2))")
    assert block.action_counts() == {"trim": (0, 0)}
    resident_before = resident_bytes(program.pid)
    block.act("trim")
    assert block.action_counts() == {"trim": (1, 1)}
    assert resident_bytes(program.pid) < resident_before - (20 << 20)
    event = list(block.events())[-1]
    assert (event.kind, event.item, event.kind_info.unit) == ("ACTION", "trim", "bytes")
    assert event.old_value - event.new_value > 20 << 20
    # A set of something else does not trim again.
    block.set({"M_MXFAST": 64})
    assert block.action_counts() == {"trim": (1, 1)}
    assert len(block.events().select("ACTION")) == 1


def test_an_action_is_no_tunable(block: ControlBlock) -> None:
    assert "trim" not in block.tunables
    with pytest.raises(BadParameter, match="trim = 1: it is an action, which is asked for by trim=do"):
        block.set({"trim": 1})
    with pytest.raises(UnknownTunable, match="unknown action 'purge': there is trim"):
        block.act("purge")
