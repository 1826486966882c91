"""One wrong value for every argument of every command: status 2, one line, the thing and the remedy."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.terminal import WORKBENCH, Program, assert_refused, start, wait_until
from workbench.control import ControlBlock, block_directory, find_blocks

NOBODY = 2**22 + 1  # above the largest number a process can have

CASES: list[tuple[Sequence[object], Sequence[str]]] = [
    *[
        (["watch", NOBODY, "--interval", text], ["--interval", text, "0.02<=x<=3600"])
        for text in ("0", "-1", "nan", "inf", "-inf")
    ],
    *[(["compare", "pair", "--seconds", text], ["seconds", text, "above 0"]) for text in ("nan", "inf")],
    *[(["replay", "jq", "--seconds", text], ["seconds", text, "above 0"]) for text in ("nan", "inf")],
    *[(["replay", "jq", "--speed", text], ["speed", text, "0.01"]) for text in ("nan", "inf", "0")],
    (["frobnicate"], ["frobnicate", "--help"]),
    (["wacth"], ["wacth", "did you mean 'watch'?"]),
    (["--frobnicate"], ["--frobnicate"]),
    (["ps", "extra"], ["extra"]),
    (["ps", "--jason"], ["--jason", "--json"]),
    (["workloads", "extra"], ["extra"]),
    (["allocators", "extra"], ["extra"]),
    (["preload", "extra"], ["extra"]),
    (["run"], ["WORKLOAD"]),
    (["run", "larsson"], ["larsson", "larson"]),
    (["run", "larson", "--allocator", "jemaloc"], ["jemaloc", "jemalloc"]),
    (["run", "larson", "--threads", "0"], ["threads", "0", "1"]),
    (["run", "larson", "--threads", "many"], ["--threads", "many"]),
    (["run", "larson", "--threads", "100000"], ["threads", "100000"]),
    (["run", "larson", "--seconds", "0"], ["seconds", "0"]),
    (["run", "larson", "--seconds", "-1"], ["seconds", "-1"]),
    (["run", "larson", "--seconds", "nan"], ["seconds", "nan"]),
    (["run", "larson", "--seconds", "inf"], ["seconds", "inf"]),
    (["run", "larson", "--seconds", "soon"], ["--seconds", "soon"]),
    (["run", "larson", "--operations", "0"], ["operations", "0"]),
    (["run", "larson", "--operations", "1e6"], ["--operations", "1e6"]),
    (["run", "larson", "--operations", str(2**63)], ["operations", str(2**63)]),
    (["run", "larson", "--operations", "1", "--seconds", "1"], ["operations", "seconds"]),
    (["run", "larson", "--seed", "-1"], ["seed", "-1"]),
    (["run", "larson", "--seed", "x"], ["--seed", "x"]),
    (["run", "larson", "--seed", str(2**64)], ["seed", str(2**64)]),
    (["run", "larson", "--param", "blocks"], ["blocks", "name=value"]),
    (["run", "larson", "--param", "nosuch=1"], ["nosuch"]),
    (["run", "larson", "--param", "nosuch=1", "--param", "nosuch=2"], ["nosuch", "twice"]),
    (["run", "random_mixed", "--param", "slots=many"], ["slots", "many", "number"]),
    (["run", "random_mixed", "--param", "slots=-1"], ["slots", "-1"]),
    (["run", "random_mixed", "--param", "slots=nan"], ["slots", "nan"]),
    (["run", "larson", "--set", "tls.grow_percent=100"], ["tls.grow_percent", "100", "50", "99"]),
    (["run", "larson", "--set", "tls.grow_percent=x"], ["tls.grow_percent", "x"]),
    (["run", "larson", "--set", "tls.grow_percnt=60"], ["tls.grow_percnt", "tls.grow_percent"]),
    (["run", "larson", "--set", "=60"], ["=60", "name=value"]),
    (
        ["run", "larson", "--allocator", "glibc", "--set", "tls.grow_percent=60"],
        ["tls.grow_percent", "arena_max"],
    ),
    (["run", "larson", "--settings", "/nowhere.env"], ["/nowhere.env"]),
    (["exec", "--nosuch", "--", "true"], ["--nosuch"]),
    (["exec", "--set", "x"], ["COMMAND"]),
    (["tunables", "x"], ["PID", "x"]),
    (["tunables", "0"], ["PID", "0"]),
    (["tunables", "-1"], ["-1"]),
    (["tunables", NOBODY], [str(NOBODY)]),
    (["tunables", "1", "--allocator", "glibc"], ["--allocator glibc", "leave out"]),
    (["tunables", "1", "2"], ["2"]),
    *[([name, text], [f"'{text}' is no pid"]) for name in ("heap", "inject") for text in ("abc", "0", "１")],
    (["record", "--pid", "abc", "-o", "x"], ["--pid", "'abc' is no pid"]),
    (["metrics", "１"], ["'１' is neither a pid nor a group"]),
    (["record", "-o", "", "--", "true"], ["'' is no path"]),
    (["compare", "pair", "--output", ""], ["--output", "'' is no path"]),
    (["verify", ""], ["'' is no path"]),
    (["exec", "--", ""], ["'': no such program on PATH"]),
    (["record", "-o", "x", "--", ""], ["'': no such program on PATH"]),
    (["set"], ["PID"]),
    (["set", "x", "a=1"], ["PID", "x"]),
    (["set", NOBODY], ["NAME=VALUE"]),
    (["set", NOBODY, "tls.grow_percent=60"], [str(NOBODY)]),
    (["metrics"], ["PID"]),
    (["metrics", NOBODY], [str(NOBODY)]),
    (["watch"], ["PID"]),
    (["watch", NOBODY], [str(NOBODY)]),
    (["watch", NOBODY, "--count", "0"], ["--count", "0"]),
    (["export", NOBODY, "--format", "env"], [str(NOBODY)]),
    (["export", NOBODY], ["--format"]),
    (["lab", "/nowhere.ipynb"], ["/nowhere.ipynb"]),
    (["lab", "--port", "0"], ["--port", "0"]),
]


@pytest.mark.parametrize(("arguments", "said"), CASES, ids=[" ".join(map(str, case[0])) for case in CASES])
def test_is_refused(invoke: Callable[..., Result], arguments: Sequence[object], said: Sequence[str]) -> None:
    assert_refused(invoke(*arguments), *said)


SET_CASES = [
    (["tls.grow_percnt=60"], ["tls.grow_percnt", "tls.grow_percent"]),
    (["nosuch=1"], ["unknown tunable 'nosuch'", "workbench tunables"]),
    (["max_slots=512"], ["did you mean 'tls.max_slots'?"]),
    (["tls.grow_percent=100"], ["tls.grow_percent", "100", "50", "99"]),
    (["tls.grow_percent=60.5"], ["tls.grow_percent", "60.5"]),
    (["tls.grow_percent="], ["tls.grow_percent"]),
    (["tls.grow_percent"], ["tls.grow_percent", "name=value"]),
    (["tls.grow_percent=60", "tls.grow_percent=61"], ["tls.grow_percent", "twice"]),
    (["tls.adaptive=maybe"], ["tls.adaptive", "maybe"]),
    (["big.policy=fifo"], ["big.policy", "fifo", "lru", "lfu"]),
    (["big.load_factor=nan"], ["big.load_factor", "nan"]),
    (["tls.grow_percent=50", "tls.min_slots=4000"], ["tls.min_slots", "tls.max_slots"]),
    (["big.initial_buckets=512"], ["big.initial_buckets", "start"]),
    (["--kind", "nosuch", "tls.grow_percent=60"], ["nosuch"]),
]


@pytest.mark.parametrize(("arguments", "said"), SET_CASES, ids=[" ".join(case[0]) for case in SET_CASES])
def test_wrong_set_is_refused(
    untouched_program: Program, invoke: Callable[..., Result], arguments: list[str], said: list[str]
) -> None:
    result = invoke("set", untouched_program.pid, *arguments)
    assert_refused(result, *said)
    assert "nosuch" not in arguments[0] or "did you mean" not in result.stderr
    with ControlBlock.open(untouched_program.pid) as block:
        assert block.requested().generation == 1


@pytest.mark.parametrize(
    "command",
    [["tunables"], ["metrics"], ["watch", "--count", "1"], ["set"], ["export", "--format", "env"]],
    ids=lambda command: command[0],
)
class TestBlocksThatCannotBeUsed:
    """Every command that takes a process, on every kind of process without a usable block."""

    def invoke(self, invoke: Callable[..., Result], command: list[str], pid: int) -> Result:
        rest = ["tls.grow_percent=60"] if command[0] == "set" else []
        return invoke(*command, pid, *rest)

    def test_process_without_one(self, invoke: Callable[..., Result], command: list[str]) -> None:
        assert_refused(self.invoke(invoke, command, 1), "1")

    def test_process_that_ended(
        self, invoke: Callable[..., Result], command: list[str], program: Program
    ) -> None:
        program.kill()
        assert_refused(self.invoke(invoke, command, program.pid), str(program.pid))

    def test_another_version(
        self, invoke: Callable[..., Result], command: list[str], damage: Callable[[int, bytes], int]
    ) -> None:
        pid = damage(8, struct.pack("<I", 99))
        assert_refused(self.invoke(invoke, command, pid), "99", "version")

    def test_damaged(
        self, invoke: Callable[..., Result], command: list[str], damage: Callable[[int, bytes], int]
    ) -> None:
        pid = damage(0, b"garbage!")
        assert_refused(self.invoke(invoke, command, pid), "not a control block")

    def test_of_nonsense(
        self, invoke: Callable[..., Result], command: list[str], damage: Callable[[int, bytes], int]
    ) -> None:
        pid = damage(16, struct.pack("<Q", 2**60))
        assert_refused(self.invoke(invoke, command, pid), "damaged")


@pytest.fixture
def damage(program: Program) -> Iterator[Callable[[int, bytes], int]]:
    """Overwrite bytes of the live program's block, as a fault of another program could."""
    restore: list[tuple[Path, int, bytes]] = []

    def write(offset: int, content: bytes) -> int:
        path = find_blocks(pid=program.pid)[0].path
        with path.open("r+b") as file:
            file.seek(offset)
            restore.append((path, offset, file.read(len(content))))
            file.seek(offset)
            file.write(content)
        return program.pid

    yield write
    for path, offset, content in restore:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(content)


def test_read_only_block(invoke: Callable[..., Result]) -> None:
    environment = os.environ | {"HAKMEM_CONTROL": "read"}
    with start([WORKBENCH, "exec", "--", "cat"], env=environment) as process:
        wait_until(lambda: [info.command for info in find_blocks(pid=process.pid)] == ["cat"])
        assert invoke("tunables", process.pid).exit_code == 0
        assert_refused(invoke("set", process.pid, "tls.grow_percent=60"), "read")


def test_ps_survives_a_damaged_block(
    invoke: Callable[..., Result], damage: Callable[[int, bytes], int]
) -> None:
    damage(0, b"garbage!")
    assert invoke("ps").exit_code == 0
    assert block_directory().is_dir()
