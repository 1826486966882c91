"""Settings of other allocators that are given at start, in each allocator's own language."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.agents.conftest import AGENT, run_evaluator
from workbench.allocators import get_allocator
from workbench.control import Tunable, Value, find_blocks
from workbench.errors import StartOnly

# Values that an allocator takes as they are, where the least of the range would not be one.
CHOSEN: dict[str, Value] = {
    "opt.narenas": 3,
    "opt.percpu_arena": "percpu",
    "opt.tcache_max": 4096,
    "arenas.dirty_decay_ms": 77,
    "max_background_threads": 2,
    "background_thread": False,
    "opt.oversize_threshold": 1 << 24,
    "tcmalloc.heap_limit_mb": 4096,
    "limit_os_alloc": False,
    "disallow_arena_alloc": False,
    "reserve_huge_os_pages": 0,
    "reserve_os_memory": 64 << 20,
    "arena_reserve": 256 << 20,
    "minimal_purge_size": 64 << 10,
}


def choose(tunable: Tunable) -> Value:
    if tunable.name in CHOSEN:
        return CHOSEN[tunable.name]
    if tunable.type == "bool":
        return not tunable.default
    return tunable.from_word(min(max(tunable.minimum, 1) + 1, tunable.maximum))


def render(tunables: list[Tunable]) -> dict[str, str]:
    """The environment that starts a program with chosen values, as the descriptors say."""
    items: dict[str, list[str]] = defaultdict(list)
    separators: dict[str, str] = {}
    for tunable in tunables:
        match = re.fullmatch(r"([A-Z0-9_]+)(?:(\W)([^:=]+[:=])(?:(\w+)\|(\w+))?)?", tunable.environment)
        assert match, tunable.environment
        name, separator, key, off, on = match.groups()
        value = choose(tunable)
        text = str(value if tunable.type in ("choice", "real") else int(value))
        if off is not None:
            text = on if value else off
        items[name].append((key or "") + text)
        separators[name] = separator or ""
    return {name: separators[name].join(texts) for name, texts in items.items()}


@pytest.mark.parametrize(
    ("allocator", "kind"),
    [
        ("glibc", "glibc"),
        ("jemalloc", "jemalloc"),
        ("tcmalloc", "tcmalloc"),
        ("mimalloc2", "mimalloc"),
        ("mimalloc3", "mimalloc"),
    ],
)
def test_every_variable_of_a_descriptor_is_the_allocators_own(allocator: str, kind: str) -> None:
    with run_evaluator(allocator, kind) as program, program.open() as block:
        settable = [tunable for tunable in block.tunables.values() if tunable.environment]
    assert len(settable) > 3
    with run_evaluator(allocator, kind, **render(settable)) as program, program.open() as block:
        now = block.effective().values
        assert {tunable.name: now[tunable.name] for tunable in settable} == {
            tunable.name: choose(tunable) for tunable in settable
        }


def test_glibc_understands_its_variable() -> None:
    """It has no getter; its loader lists what it made of the variable."""
    with run_evaluator("glibc", "glibc") as program, program.open() as block:
        settable = [tunable for tunable in block.tunables.values() if tunable.environment]
    loader = Path("/lib64/ld-linux-x86-64.so.2")
    listed = subprocess.run(
        [loader, "--list-tunables"], env=render(settable), capture_output=True, text=True, check=True
    ).stdout
    for tunable in settable:
        name = tunable.environment.removeprefix("GLIBC_TUNABLES:").removesuffix("=")
        found = re.search(rf"^{name}: (\S+)", listed, re.MULTILINE)
        assert found, name
        assert int(found[1], 0) == choose(tunable), name


def test_a_start_setting_cannot_be_set_in_a_program_that_runs() -> None:
    with run_evaluator("jemalloc", "jemalloc") as program, program.open() as block:
        for name, advice in (
            ("opt.narenas", "MALLOC_CONF=narenas:2"),
            ("opt.tcache", "MALLOC_CONF=tcache:0"),
        ):
            with pytest.raises(StartOnly, match=f"{name} takes effect at start only: start .* with {advice}"):
                block.set({name: False if name == "opt.tcache" else 2})


def test_a_library_that_is_loaded_late_starts_when_it_is_asked() -> None:
    """What `inject` does, to a program that knows nothing of the agent."""
    with run_evaluator("jemalloc", "jemalloc", LD_PRELOAD=str(get_allocator("jemalloc").library)) as program:
        program.tell(f"agent = ctypes.CDLL({str(AGENT)!r}, ctypes.RTLD_GLOBAL)")
        program.tell("agent.hak_agent_start.restype = ctypes.c_char_p")
        assert find_blocks(program.pid) == []
        assert [program.tell("agent.hak_agent_start()") for _ in range(2)] == ["b''", "b''"]
        with program.open() as block:
            block.set({"arenas.dirty_decay_ms": 64})
            assert block.effective().values["arenas.dirty_decay_ms"] == 64
        assert len(list(Path(f"/proc/{program.pid}/task").iterdir())) == 2
