"""jemalloc's settings and statistics, as its own mallctl tells them to the program."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.agents.conftest import Evaluator, resident_bytes, run_evaluator
from workbench.api.settings import describe_block
from workbench.control import ControlBlock, Value
from workbench.experiments.live import LiveExperiment
from workbench.experiments.live_result import LivePlan
from workbench.probes import probe_from_callable

# Reads a value by mallctl: the name and the type of ctypes.
DEFINE_READ = (
    "exec('''def read(name, kind):\\n"
    " value, size = kind(), ctypes.c_size_t(ctypes.sizeof(kind))\\n"
    " code = library.mallctl(name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0)\\n"
    " return code or value.value\\n''')"
)
ALL = "stats.arenas.4096."


@pytest.fixture
def program() -> Iterator[Evaluator]:
    with run_evaluator("jemalloc", "jemalloc") as running:
        running.tell(DEFINE_READ)
        yield running


def own(program: Evaluator, name: str, kind: str = "c_ssize_t") -> int:
    """What jemalloc itself tells the program."""
    return int(program.tell(f"int(read({name!r}, ctypes.{kind}))"))


@pytest.mark.parametrize(
    ("name", "kind", "values"),
    [
        ("arenas.dirty_decay_ms", "c_ssize_t", (0, -1, 77)),
        ("arenas.muzzy_decay_ms", "c_ssize_t", (500, -1, 0)),
        ("arena.i.dirty_decay_ms", "c_ssize_t", (0, -1, 3600000)),
        ("arena.i.muzzy_decay_ms", "c_ssize_t", (1, 0)),
        ("arena.i.oversize_threshold", "c_size_t", (0, 1 << 40)),
        ("arena.i.retain_grow_limit", "c_size_t", (4096, 1 << 30)),
        ("max_background_threads", "c_size_t", (1, 2)),
        ("background_thread", "c_bool", (True, False)),
    ],
)
def test_a_setting_reaches_jemalloc(
    name: str, kind: str, values: tuple[Value, ...], program: Evaluator, block: ControlBlock
) -> None:
    assert block.effective().values[name] == own(program, name.replace(".i.", ".0."), kind)
    for value in values:
        block.set({name: value})
        assert block.effective().values[name] == value == own(program, name.replace(".i.", ".0."), kind)


def test_a_decay_time_is_that_of_every_arena_in_use(program: Evaluator, block: ControlBlock) -> None:
    # A thread that jemalloc puts into another arena.
    program.tell(
        "exec('import threading; t = threading.Thread(target=bytes, args=(9,)); t.start(); t.join()')"
    )
    block.set({"arena.i.dirty_decay_ms": 4321})
    block.effective()
    arenas = range(own(program, "arenas.narenas", "c_uint"))
    used = [arena for arena in arenas if own(program, f"arena.{arena}.initialized", "c_bool") == 1]
    assert len(used) > 1
    assert {own(program, f"arena.{arena}.dirty_decay_ms") for arena in used} == {4321}


def test_what_jemalloc_refuses_or_rounds_is_shown(program: Evaluator, block: ControlBlock) -> None:
    block.set({"max_background_threads": 64, "arena.i.retain_grow_limit": 5000000})
    values = block.effective().values
    assert values["max_background_threads"] == own(program, "max_background_threads") == 4
    assert values["arena.i.retain_grow_limit"] == 4 << 20
    events = {event.item: (event.kind, event.cause) for event in block.events()}
    assert events["max_background_threads"] == ("TUNABLE_REFUSED", "INVALID_VALUE")
    # Another set does not ask again.
    block.set({"arenas.dirty_decay_ms": 1})
    assert block.requested().values == block.effective().values
    assert len(block.events()) == 3


def test_what_the_program_set_itself_is_seen_and_can_be_set_back(
    program: Evaluator, block: ControlBlock
) -> None:
    start = block.requested().values["arenas.dirty_decay_ms"]
    program.tell(
        "library.mallctl(b'arenas.dirty_decay_ms', None, None, ctypes.byref(ctypes.c_ssize_t(9)), 8)"
    )
    assert block.effective().values["arenas.dirty_decay_ms"] == 9
    block.set({"arenas.dirty_decay_ms": start})
    assert block.effective().values["arenas.dirty_decay_ms"] == start == own(program, "arenas.dirty_decay_ms")


def test_what_the_program_set_before_anybody_else_is_what_it_has(
    program: Evaluator, block: ControlBlock
) -> None:
    name = "background_thread"
    program.tell(
        f"library.mallctl(b'{name}', None, None, ctypes.byref(ctypes.c_bool(True)), ctypes.c_size_t(1))"
    )
    assert block.requested().values[name] is True
    assert "still" not in str(block.to_table())
    values, _, _ = describe_block(block)
    assert values[name] is True
    probe = probe_from_callable("still", lambda: 1.0)
    experiment = LiveExperiment(block, LivePlan({}, {name: False}, 16), [probe])
    assert experiment.plan.a == {name: True}
    block.set({"arenas.dirty_decay_ms": 1})
    assert block.requested().values[name] is block.effective().values[name] is True


def test_start_values_come_from_its_own_environment() -> None:
    with (
        run_evaluator("jemalloc", "jemalloc", MALLOC_CONF="dirty_decay_ms:55") as program,
        program.open() as block,
    ):
        assert block.requested().values["arenas.dirty_decay_ms"] == 55
        assert block.requested().values["arena.i.dirty_decay_ms"] == 55
        assert block.tunables["arena.i.dirty_decay_ms"].default == 10000


def test_metrics_are_jemallocs_statistics(program: Evaluator, block: ControlBlock) -> None:
    block.set({"arena.i.dirty_decay_ms": -1})
    program.tell("globals().update(kept=[bytes(5000) for _ in range(10000)]) or None")
    program.tell("[bytes(5000) for _ in range(10000)] and None")
    snapshot = block.snapshot()  # begins an epoch; the program reads the same one
    for name in ("allocated", "active", "metadata", "resident", "mapped", "retained"):
        assert snapshot.fold(f"stats.{name}") == own(program, f"stats.{name}", "c_size_t")
    for metric, names in (
        ("stats.tcache_bytes", ("tcache_bytes",)),
        ("stats.nrequests", ("small.nrequests", "large.nrequests")),
        ("stats.nfills", ("small.nfills",)),
        ("stats.nflushes", ("small.nflushes",)),
    ):
        assert snapshot.fold(metric) == sum(own(program, ALL + name, "c_uint64") for name in names) > 0
    assert snapshot.fold("stats.dirty_bytes") == 4096 * own(program, ALL + "pdirty") > 10 << 20
    assert snapshot.fold("stats.allocated") > 50_000_000


def test_a_purge_gives_dirty_pages_back(program: Evaluator, block: ControlBlock) -> None:
    block.set({"arena.i.dirty_decay_ms": -1})
    block.effective()
    program.tell("[bytes(5000) for _ in range(10000)] and None")
    resident_before = resident_bytes(program.pid)
    assert block.snapshot().fold("stats.dirty_bytes") > 10 << 20
    for name in ("decay", "purge"):
        block.act(name)
    assert block.action_counts()["purge"] == (1, 1)
    assert block.snapshot().fold("stats.dirty_bytes") < 1 << 20
    assert resident_bytes(program.pid) < resident_before - (30 << 20)


def test_effects_and_roles_are_told(block: ControlBlock) -> None:
    assert block.tunables["arenas.dirty_decay_ms"].effect == "new arenas"
    roles = {metric.role: name for name, metric in block.metrics.items()}
    assert roles["live"] == "stats.allocated"
    assert roles["resident"] == "stats.resident"
    assert not any(tunable.is_write_only for tunable in block.tunables.values())
