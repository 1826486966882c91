"""Which allocators the agent finds, which of them serves malloc, and what it says where it can do nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.agents.conftest import AGENT, CAP_S, run_evaluator, wait_for
from tests.cli.terminal import assert_refused, run_workbench
from workbench.allocators import get_allocator, run_environment
from workbench.control import ControlBlock, find_blocks


def build(product: Path, *options: str, version: str = "5.2.1-0-gea6b3e9", function: str = "mallctl") -> Path:
    """The stand-in for a jemalloc, as a program or a library."""
    source = Path(__file__).parent / "mallctl.c"
    defined = [f"-DMALLCTL={function}", f'-DVERSION="{version}"', *options]
    command = ["gcc", "-O1", "-fno-builtin", *defined, str(source), "-o", str(product)]
    subprocess.run(command, check=True, timeout=CAP_S)
    return product


@contextmanager
def run(program: Path, *preloads: Path, status: int) -> Iterator[int]:
    """The program under the agent; its pid."""
    with subprocess.Popen(
        [program],
        env=run_environment(None) | {"LD_PRELOAD": ":".join(map(str, [*preloads, AGENT]))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process.pid
            process.communicate(timeout=CAP_S)
            assert process.returncode == status
        finally:
            process.kill()


def list_kinds(pid: int) -> dict[str, bool]:
    """The kinds of a process's control blocks, and whether they serve malloc."""
    return {info.kind: info.serves_malloc for info in find_blocks(pid)}


@pytest.mark.parametrize(
    ("function", "kind", "variable"),
    [
        ("_rjem_mallctl", "jemalloc-rjem", "_RJEM_MALLOC_CONF"),
        ("je_mallctl", "jemalloc-je", "JE_MALLOC_CONF"),
    ],
)
def test_a_program_s_jemalloc_with_a_prefix_has_a_block_of_its_own(
    function: str, kind: str, variable: str, tmp_path: Path
) -> None:
    """Its names are the program's own: they are found in the symbol table of its file."""
    program = build(tmp_path / "rust", "-DMAIN", function=function)
    with run(program, status=5) as pid:
        assert list_kinds(pid) == {"glibc": True, kind: False}
        with ControlBlock.open(pid, kind) as block:
            assert block.info.build == "jemalloc 5.2.1"
            assert list(block.tunables) == ["arenas.dirty_decay_ms"]  # all that this one has
            assert block.tunables["arenas.dirty_decay_ms"].environment == f"{variable},dirty_decay_ms:"
            block.set({"arenas.dirty_decay_ms": 5})
            assert block.effective().values == {"arenas.dirty_decay_ms": 5}
        # Without a kind a command means the allocator that serves malloc.
        assert run_workbench("set", pid, "M_MXFAST=64").status == 0
        assert run_workbench("do", pid, "trim").status == 0


def test_two_jemallocs_in_a_process_have_a_block_each(tmp_path: Path) -> None:
    program = build(tmp_path / "rust", "-DMAIN", function="_rjem_mallctl")
    library = get_allocator("jemalloc").library
    assert library is not None
    with run(program, library, status=7) as pid:
        assert list_kinds(pid) == {"jemalloc": True, "jemalloc-rjem": False}
        assert run_workbench("set", pid, "arenas.dirty_decay_ms=6").status == 0
        assert run_workbench("set", pid, "--kind", "jemalloc-rjem", "arenas.dirty_decay_ms=7").status == 0
        with ControlBlock.open(pid) as block:
            assert block.effective().values["arenas.dirty_decay_ms"] == 6


def test_an_allocator_in_the_program_serves_it(tmp_path: Path) -> None:
    with run(build(tmp_path / "linked", "-DMAIN", "-DHAS_MALLOC"), status=8) as pid:
        assert list_kinds(pid) == {"jemalloc": True}
        assert run_workbench("set", pid, "arenas.dirty_decay_ms=8").status == 0


def test_a_slow_statistic_is_read_rarely_and_settings_at_once(tmp_path: Path) -> None:
    """A look that took 100 ms of processor time is the last for ten seconds."""
    program = build(tmp_path / "slow", "-DMAIN", "-DHAS_MALLOC", "-DSLOW_MS=100")
    with run(program, status=9) as pid, ControlBlock.open(pid) as block:
        wait_for(lambda: block.snapshot().fold("stats.allocated") > 0)
        reads = block.snapshot().fold("stats.allocated")
        for value in range(10):
            block.set({"arenas.dirty_decay_ms": value})
            assert block.effective().values["arenas.dirty_decay_ms"] == value
        assert block.snapshot().fold("stats.allocated") <= reads + 1


def test_a_stripped_program_with_an_allocator_of_its_own_is_named(tmp_path: Path) -> None:
    program = build(tmp_path / "stripped", "-DMAIN", "-DHAS_MALLOC", "-s")
    assert say(str(AGENT), str(program)) == (
        f"workbench-agent: no allocator to tune here: malloc comes from {program},"
        " which was stripped of the names of its functions\n"
    )


def test_a_version_that_is_not_known_can_only_be_read(tmp_path: Path) -> None:
    library = build(tmp_path / "newer.so", "-shared", "-fPIC", "-DHAS_MALLOC", version="6.0.0-0-gabc")
    said = "workbench-agent: nobody may set anything: this version is not known, jemalloc 6.0.0\n"
    assert say(f"{AGENT}:{library}") == said
    with run(build(tmp_path / "plain", "-DMAIN", function="own"), library, status=0) as pid:
        with ControlBlock.open(pid) as block:
            assert (block.info.access, block.info.serves_malloc) == ("read", True)
            assert block.effective().values["arenas.dirty_decay_ms"] == 10000
        refused = run_workbench("set", pid, "arenas.dirty_decay_ms=5")
        assert_refused(refused, "can be watched, not set", "jemalloc 6.0.0")
        assert "HAKMEM_CONTROL" not in refused.stderr


def test_an_agent_of_another_version_is_named() -> None:
    with run_evaluator("glibc", "glibc") as program:
        (info,) = find_blocks(program.pid)
        with info.path.open("r+b") as file:
            file.seek(8)  # the version of the layout
            file.write((99).to_bytes(4, "little"))
        assert_refused(run_workbench("set", program.pid, "M_MXFAST=64"), "version 99")
        assert find_blocks(program.pid) == []


def test_hakmem_behind_another_allocator_says_that_it_does_not_serve() -> None:
    libraries = [get_allocator("jemalloc").library, get_allocator("hakmem").library, AGENT]
    with run_evaluator("jemalloc", "jemalloc", LD_PRELOAD=":".join(map(str, libraries))) as program:
        assert list_kinds(program.pid) == {"jemalloc": True, "hakmem": False}
        assert run_workbench("set", program.pid, "arenas.dirty_decay_ms=5").status == 0


@pytest.mark.parametrize(("allocator", "kind"), [("glibc", "glibc"), ("hakmem", "hakmem")])
def test_a_child_has_the_allocator_that_it_was_given(allocator: str, kind: str) -> None:
    library = get_allocator(allocator).library
    preloads = f"{library}:{AGENT}" if library else str(AGENT)
    with run_evaluator("jemalloc", "jemalloc") as program:
        program.tell("import os, subprocess")
        program.tell(f"environment = os.environ | {{'LD_PRELOAD': {preloads!r}}}")
        program.tell("command = ['/usr/bin/python3', '-c', 'input()']")
        program.tell("pipe, silent = subprocess.PIPE, subprocess.DEVNULL")
        program.tell("child = subprocess.Popen(command, env=environment, stdin=pipe, stderr=silent)")
        pid = int(program.tell("child.pid"))
        wait_for(lambda: bool(find_blocks(pid)))
        assert list_kinds(pid) == {kind: True}
        assert list_kinds(program.pid) == {"jemalloc": True}
        program.tell("child.communicate() and None")


def say(preloads: str, program: str = "/bin/true") -> str:
    """What a short program under these preloads writes to standard error."""
    done = subprocess.run(
        [program],
        stdin=subprocess.DEVNULL,
        env=run_environment(None) | {"LD_PRELOAD": preloads},
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=True,
    )
    return done.stderr


def test_it_says_nothing_where_it_serves() -> None:
    assert say(str(AGENT)) == ""


def test_under_hakmem_it_leaves_the_block_to_hakmem() -> None:
    said = say(f"{AGENT}:{get_allocator('hakmem').library}")
    assert said == (
        "workbench-agent: hakmem serves this process and has a control block of its own;"
        " the agent does nothing\n"
    )


def test_a_second_agent_does_nothing(tmp_path: Path) -> None:
    copy = tmp_path / "copy.so"
    copy.write_bytes(AGENT.read_bytes())
    said = say(f"{AGENT}:{copy}")
    assert said == "workbench-agent: another agent is in this process already; this one does nothing\n"


def test_an_allocator_that_it_does_not_know_is_named(tmp_path: Path) -> None:
    library = build(tmp_path / "other.so", "-shared", "-fPIC", "-DHAS_MALLOC", function="own")
    assert say(f"{AGENT}:{library}") == (
        f"workbench-agent: no allocator to tune here: malloc comes from {library}\n"
    )
    program = build(tmp_path / "rust", "-DMAIN", function="_rjem_mallctl")
    assert say(f"{AGENT}:{library}", str(program)) == (
        f"workbench-agent: malloc itself is not tuned: malloc comes from {library}\n"
    )


def test_an_allocator_that_was_updated_meanwhile_is_the_one_that_runs(tmp_path: Path) -> None:
    installed = get_allocator("jemalloc").library
    assert installed is not None
    library = tmp_path / "libjemalloc.so.2"
    library.write_bytes(installed.read_bytes())
    preloads = f"{library}:{AGENT}"
    with run_evaluator("jemalloc", "jemalloc", LD_PRELOAD=preloads, HAKMEM_AGENT="on-demand") as program:
        library.unlink()
        library.write_text("a later version")
        program.tell("library.hak_agent_start()")
        with program.open() as block:
            assert block.info.build.startswith("jemalloc 5.")
            assert block.info.serves_malloc
            block.set({"arenas.dirty_decay_ms": 64})
            assert block.effective().values["arenas.dirty_decay_ms"] == 64
