"""Allocators that publish no control block themselves: every start setting arrives, and the agent stays away
where nobody looks."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.allocators import AGENT, Preset, allocators, get_allocator
from workbench.control import Tunable, Value
from workbench.errors import BadParameter
from workbench.experiments import measure_run, read_sweep_plan
from workbench.panel.session import LiveSession
from workbench.processes import Run, Step, run
from workbench.sessions import Session, plan_repetition

ROWS = [allocator.name for allocator in allocators() if allocator.has_agent]
# Where any value is not taken as it is: sizes are rounded, limits ended the run, pages must exist.
CHOSEN: dict[str, Value] = {
    "opt.percpu_arena": "percpu",
    "opt.tcache_max": 4096,
    "max_background_threads": 2,
    "tcmalloc.heap_limit_mb": 4096,
    "limit_os_alloc": False,
    "reserve_huge_os_pages": 0,
    "reserve_os_memory": 64 << 20,
    "arena_reserve": 256 << 20,
    "minimal_purge_size": 64 << 10,
    "opt.narenas": 3,
    "opt.oversize_threshold": 1 << 24,
    "disallow_arena_alloc": False,
}


def choose(tunable: Tunable) -> Value:
    """A value that is not the default, where the allocator takes one."""
    if tunable.type == "bool":
        return CHOSEN.get(tunable.name, not tunable.default)
    return CHOSEN.get(tunable.name, tunable.from_word(min(max(tunable.minimum, 1) + 1, tunable.maximum)))


def test_they_are_five() -> None:
    assert ROWS == ["glibc", "jemalloc", "tcmalloc", "mimalloc2", "mimalloc3"]
    assert all(get_allocator(name).available for name in ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_every_start_setting_arrives(name: str) -> None:
    allocator = get_allocator(name)
    settings = {one.name: choose(one) for one in allocator.tunables.values() if one.environment}
    assert len(settings) >= 4
    outcome = run(Run("pair", allocator=name, operations=1000, tunables=settings))
    assert outcome.status == "completed"
    assert {one: outcome.effective[one] for one in settings} == settings


@pytest.mark.parametrize("name", ROWS)
def test_a_run_that_nobody_looks_into_has_no_agent_and_the_id_that_it_had(name: str) -> None:
    plain = Run("pair", allocator=name, operations=1000)
    assert "tunables" not in plain.resolve().content
    environment = get_allocator(name).run_environment({}, has_block=False)
    assert str(AGENT) not in environment.get("LD_PRELOAD", "")
    assert str(AGENT) in get_allocator(name).run_environment({})["LD_PRELOAD"]


def test_a_comparison_measures_settings_without_the_agent() -> None:
    given = Run("pair", allocator="jemalloc", operations=1000, tunables={"opt.narenas": 2})
    assert measure_run(given, warm_bytes=0).telemetry == {}
    changed = Run(
        "pair", allocator="jemalloc", seconds=0.3, schedule=(Step({"background_thread": True}, None, 0.1),)
    )
    assert measure_run(changed, warm_bytes=0).telemetry["stats.allocated"] > 0


def test_what_a_variable_says_already_stays() -> None:
    jemalloc = get_allocator("jemalloc")
    base = {"MALLOC_CONF": "narenas:3"}
    assert jemalloc.environment_of({"background_thread": True}, base) == {
        "MALLOC_CONF": "narenas:3,background_thread:true"
    }
    assert jemalloc.environment_of(jemalloc.defaults) == {}


def test_what_cannot_be_given_at_start_is_said() -> None:
    spec = Run("pair", allocator="jemalloc", operations=1000, tunables={"arena.i.retain_grow_limit": 1 << 20})
    with pytest.raises(
        BadParameter, match=r"arena\.i\.retain_grow_limit: it cannot be given at start; set it"
    ):
        spec.check()


def test_it_is_set_on_the_way() -> None:
    outcome = run(
        Run(
            "pair",
            allocator="jemalloc",
            operations=50_000_000,  # long enough for the agent's thread on a busy machine
            threads=1,
            schedule=(Step({"arena.i.retain_grow_limit": 1 << 20}, 1000),),
        )
    )
    assert outcome.effective["arena.i.retain_grow_limit"] == 1 << 20
    assert outcome.events["TUNABLE_SET"] == 1


PRESETS = [(name, preset) for name in ROWS for preset in get_allocator(name).presets]


@pytest.mark.parametrize(("name", "preset"), PRESETS, ids=[f"{name}, {one.name}" for name, one in PRESETS])
def test_a_program_starts_with_a_preset(name: str, preset: Preset) -> None:
    assert ". Source: " in preset.help
    outcome = run(Run("pair", allocator=name, operations=1000, tunables=preset.values))
    assert outcome.status == "completed"
    assert {one: outcome.effective[one] for one in preset.values} == preset.values


def test_the_panel_has_its_charts_and_repeats_what_was_set(tmp_path: Path) -> None:
    session = LiveSession(tmp_path)
    deadline_s = time.monotonic() + 120

    def step_until(is_done: Callable[[], bool]) -> None:
        while not is_done():
            assert time.monotonic() < deadline_s, session.write_status()
            session.step()
            time.sleep(0.01)

    try:
        session.choose("jemalloc")
        session.settings.set_one("opt.narenas", 3)
        session.start({"workload": "pair", "allocator": "jemalloc", "threads": "1", "seconds": "0"})
        wanted = ["Throughput", "Memory", "Where it is", "Caches"]
        step_until(lambda: [chart.title for chart in session.charts[:4]] == wanted)
        session.settings.set_one("arena.i.dirty_decay_ms", 77)
        step_until(lambda: session.settings.changes.entries()[-1].after == {"arena.i.dirty_decay_ms": 77})
        step_until(lambda: session.settings.describe()["arena.i.dirty_decay_ms"]["note"] == "effective 77 ms")
        assert session.target is not None
        assert session.target.allocator_block is not None
        assert session.target.allocator_block.effective().values["opt.narenas"] == 3
        session.stop()
        step_until(lambda: not session.is_process_alive)
        assert session.keeper.latest is not None
        plan = plan_repetition(Session.open(session.keeper.latest))
    finally:
        session.close()
    assert [step.settings for step in plan.schedule] == [{"arena.i.dirty_decay_ms": 77}]
    assert plan.tunables["opt.narenas"] == 3


def test_each_takes_the_axes_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text(
        'workloads = ["pair"]\noperations = 1000\n[axes]\nallocator = ["jemalloc", "glibc", "hakmem"]\n'
        '"opt.narenas" = [1, 2]\narena_max = [1, 2, 3]\n'
    )
    runs = read_sweep_plan(path).runs
    found = [(one.allocator, *one.tunables.items()) for one in runs]
    assert [name for name, *_ in found].count("hakmem") == 1
    assert {("jemalloc", ("opt.narenas", 2)), ("glibc", ("arena_max", 3))} < set(found)
    assert len(found) == 2 + 3 + 1
