"""gperftools' tcmalloc: properties as it tells them to the program itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.conftest import Evaluator, run_evaluator
from workbench.control import ControlBlock, Value

DEFINE_READ = (
    "exec('''def read(name):\\n"
    " value = ctypes.c_size_t()\\n"
    " assert library.MallocExtension_GetNumericProperty(name.encode(), ctypes.byref(value))\\n"
    " return value.value\\n''')"
)
RATE = "_ZN62FLAG__namespace_do_not_use_directly_use_DECLARE_double_instead27FLAGS_tcmalloc_release_rateE"


@pytest.fixture
def program() -> Iterator[Evaluator]:
    with run_evaluator("tcmalloc", "tcmalloc") as running:
        running.tell(DEFINE_READ)
        yield running


def own(program: Evaluator, name: str) -> int:
    return int(program.tell(f"read({name!r})"))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("tcmalloc.max_total_thread_cache_bytes", (1 << 20, 1 << 30, 1 << 19)),
        ("tcmalloc.aggressive_memory_decommit", (True, False)),
        ("tcmalloc.heap_limit_mb", (4096, 0)),
    ],
)
def test_a_setting_reaches_tcmalloc(
    name: str, values: tuple[Value, ...], program: Evaluator, block: ControlBlock
) -> None:
    assert block.info.build.startswith("gperftools 2.")
    assert block.effective().values[name] == own(program, name) == block.tunables[name].default
    for value in values:
        block.set({name: value})
        assert block.effective().values[name] == value == own(program, name)


def test_the_release_rate_is_the_flag(program: Evaluator, block: ControlBlock) -> None:
    for value in (2.5, 0.0):
        block.set({"tcmalloc.release_rate": value})
        assert block.effective().values["tcmalloc.release_rate"] == value
        assert float(program.tell(f"ctypes.c_double.in_dll(library, {RATE!r}).value")) == value


def test_start_values_come_from_its_own_environment() -> None:
    with (
        run_evaluator("tcmalloc", "tcmalloc", TCMALLOC_RELEASE_RATE="3") as program,
        program.open() as block,
    ):
        assert block.requested().values["tcmalloc.release_rate"] == 3


def test_metrics_are_tcmallocs_properties(program: Evaluator, block: ControlBlock) -> None:
    program.tell("globals().update(kept=[bytes(5000) for _ in range(10000)]) or None")
    program.tell("[bytes(700000) for _ in range(100)] and None")
    snapshot = block.snapshot()
    names = [name for name in block.metrics if not name.startswith("agent.")]
    assert len(names) > 5
    for name in names:
        # The program's own questions allocate a little.
        assert snapshot.fold(name) == pytest.approx(own(program, name), abs=1 << 18), name
    assert snapshot.fold("generic.current_allocated_bytes") > 50_000_000
    assert snapshot.fold("tcmalloc.pageheap_free_bytes") > 50_000_000


def test_aggressive_decommit_gives_pages_back(program: Evaluator, block: ControlBlock) -> None:
    block.set({"tcmalloc.aggressive_memory_decommit": True})
    block.effective()
    program.tell("[bytes(700000) for _ in range(100)] and None")
    assert block.snapshot().fold("tcmalloc.pageheap_free_bytes") < 5_000_000


def test_a_release_gives_unused_pages_back(program: Evaluator, block: ControlBlock) -> None:
    block.set({"tcmalloc.release_rate": 0.0})
    block.effective()
    program.tell("[bytes(700000) for _ in range(100)] and None")
    before = block.snapshot()
    assert before.fold("tcmalloc.pageheap_free_bytes") > 50_000_000
    block.act("release")
    after = block.snapshot()
    assert after.fold("tcmalloc.pageheap_free_bytes") == 0
    name = "tcmalloc.pageheap_unmapped_bytes"
    assert after.fold(name) >= before.fold(name) + 50_000_000
    event = list(block.events())[-1]
    assert (event.kind, event.item) == ("ACTION", "release")
    assert event.old_value - event.new_value > 40_000_000
