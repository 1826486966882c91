"""Settings of other allocators that are given at start, in each allocator's own language."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.agents.conftest import AGENT, run_evaluator
from workbench.allocators import get_allocator
from workbench.control import find_blocks
from workbench.errors import StartOnly


def test_glibc_understands_its_variable() -> None:
    """It has no getter; its loader lists what it made of the variable."""
    allocator = get_allocator("glibc")
    settable = list(allocator.tunables.values())
    chosen = {one.name: one.from_word(min(max(one.minimum, 1) + 1, one.maximum)) for one in settable}
    loader = Path("/lib64/ld-linux-x86-64.so.2")
    listed = subprocess.run(
        [loader, "--list-tunables"],
        env=allocator.environment_of(chosen),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for tunable in settable:
        name = tunable.environment.removeprefix("GLIBC_TUNABLES:").removesuffix("=")
        found = re.search(rf"^{name}: (\S+)", listed, re.MULTILINE)
        assert found, name
        assert int(found[1], 0) == chosen[tunable.name], name


def test_a_start_setting_cannot_be_set_in_a_program_that_runs() -> None:
    with run_evaluator("jemalloc", "jemalloc") as program, program.open() as block:
        for name, advice in (
            ("opt.narenas", "MALLOC_CONF=narenas:2"),
            ("opt.tcache", "MALLOC_CONF=tcache:false"),
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
