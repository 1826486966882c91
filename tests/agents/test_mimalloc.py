"""mimalloc 2 and 3: options as its own getter tells them to the program, and its statistics."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.conftest import AGENT, CAP_S, Evaluator, agent_environment, run_evaluator
from workbench.allocators import run_environment
from workbench.control import ControlBlock, find_blocks

# The number of each option in the version that the tests run.
OPTIONS = {
    "mimalloc2": {
        "decommit_delay": 15,
        "segment_decommit_delay": 23,
        "decommit_extend_delay": 24,
        "page_reset": 11,
        "abandoned_page_decommit": 12,
        "max_segment_reclaim": 21,
        "limit_os_alloc": 17,
        "allow_decommit": 22,
        "eager_commit": 3,
        "eager_commit_delay": 14,
    },
    "mimalloc3": {
        "purge_delay": 15,
        "arena_purge_mult": 24,
        "purge_decommits": 5,
        "minimal_purge_size": 44,
        "generic_collect": 34,
        "page_max_candidates": 37,
        "page_full_retain": 36,
        "page_reclaim_on_free": 35,
        "page_max_reclaim": 41,
        "page_cross_thread_max_reclaim": 42,
        "arena_eager_commit": 4,
        "allow_large_os_pages": 6,
        "arena_reserve": 23,
        "disallow_arena_alloc": 26,
        "page_commit_on_demand": 40,
    },
}


@pytest.fixture(params=sorted(OPTIONS))
def allocator(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def program(allocator: str) -> Iterator[Evaluator]:
    with run_evaluator(allocator, "mimalloc") as running:
        running.tell("setattr(library.mi_option_get, 'restype', ctypes.c_long)")
        yield running


@pytest.fixture
def block(program: Evaluator) -> Iterator[ControlBlock]:
    with program.open() as opened:
        yield opened


def test_every_option_reaches_mimalloc(allocator: str, program: Evaluator, block: ControlBlock) -> None:
    def own(name: str) -> float:
        unit = 1024 if block.tunables[name].unit == "bytes" else 1
        return unit * int(program.tell(f"library.mi_option_get({OPTIONS[allocator][name]})"))

    known = {name: tunable for name, tunable in block.tunables.items() if tunable.effect != "start"}
    assert list(known) == list(OPTIONS[allocator])
    for name, tunable in known.items():
        assert block.effective().values[name] == own(name) == tunable.default
        for word in (tunable.maximum, tunable.minimum):
            block.set({name: tunable.from_word(word)})
            assert block.effective().values[name] == word == own(name)


def test_a_delay_of_0_gives_memory_back_at_once(
    allocator: str, program: Evaluator, block: ControlBlock
) -> None:
    # Both count what they took; mimalloc 3 counts what it gave back besides, and not as taken less.
    taken, returned, delay = {
        "mimalloc2": ("current_commit", None, "segment_decommit_delay"),
        "mimalloc3": ("committed", "purged", "purge_delay"),
    }[allocator]
    block.set({delay: 0})
    block.effective()
    before = block.snapshot()
    program.tell("globals().update(kept=bytearray(64 << 20)) or None")
    assert block.snapshot().fold(taken) >= before.fold(taken) + (64 << 20)
    program.tell("globals().pop('kept') and None")
    block.act("collect")
    assert block.action_counts()["collect"] == (1, 1)
    after = block.snapshot()
    if returned:
        assert after.fold(returned) >= before.fold(returned) + (64 << 20)
    else:
        assert after.fold(taken) < before.fold(taken) + (32 << 20)


def test_metrics_of_mimalloc_3_are_its_statistics() -> None:
    with run_evaluator("mimalloc3", "mimalloc") as program, program.open() as block:
        program.tell("setattr(library.mi_stats_get_json, 'restype', ctypes.c_char_p)")
        program.tell("globals().update(kept=[bytearray(3 << 20) for _ in range(20)]) or None")
        text = program.tell("library.mi_stats_get_json(0, None).decode().replace(chr(10), ' ')")
        own, snapshot = json.loads(text), block.snapshot()
        for name in ("committed", "reserved", "pages", "pages_abandoned", "threads"):
            assert snapshot.fold(name) == pytest.approx(own[name]["current"], rel=0.1), name
        assert snapshot.fold("purged") == own["purged"]


def test_an_idle_jemalloc_beside_mimalloc_has_no_block() -> None:
    """As in Debian's redis-server, which needs libjemalloc, with another allocator preloaded."""
    environment = agent_environment("mimalloc2")
    environment["LD_PRELOAD"] += ":libjemalloc.so.2"
    with subprocess.Popen(
        ["/bin/sh", "-c", "echo ready; read line"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert [info.kind for info in find_blocks(process.pid)] == ["mimalloc"]
        _, said = process.communicate("\n", timeout=CAP_S)
        assert said == ""


def test_options_of_another_version_are_not_guessed(tmp_path: Path) -> None:
    source, library = tmp_path / "other.c", tmp_path / "other.so"
    source.write_text(
        "extern void *__libc_malloc(unsigned long);"
        "void *malloc(unsigned long bytes) { return __libc_malloc(bytes); }"
        "int mi_version(void) { return 215; }"
        "long mi_option_get(int option) { return option; }"
        "void mi_option_set(int option, long value) { (void)option; (void)value; }"
        "void mi_collect(int is_forced) { (void)is_forced; }"
    )
    subprocess.run(["gcc", "-shared", "-fPIC", source, "-o", library], check=True, timeout=CAP_S)
    done = subprocess.run(
        ["/bin/true"],
        env=run_environment(None) | {"LD_PRELOAD": f"{AGENT}:{library}"},
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=True,
    )
    assert done.stderr == (
        "workbench-agent: no allocator to tune here: this version of it is not known, "
        f"malloc comes from {library}\n"
    )
