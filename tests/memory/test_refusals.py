"""What cannot be read is said, and the answer is smaller: never a wrong one, never a traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import workbench as wb
from tests.cli.terminal import WORKBENCH, assert_refused, run_workbench, start
from tests.memory.conftest import Obedient, run_obedient
from workbench.allocators import get_allocator
from workbench.errors import NoProcess
from workbench.memory import MemoryUse, records, use
from workbench.memory.use import FILES, IN_USE, OTHERS, UNKNOWN

WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has the rights that are taken away")


def check_sum(found: MemoryUse) -> dict[str, int]:
    parts = {part.name: part.bytes for part in found.parts}
    assert sum(parts.values()) + found.unexplained_bytes == found.resident_bytes
    assert all(count >= 0 for count in (*parts.values(), found.unexplained_bytes))
    assert found.resident_bytes > 0
    return parts


def forbid(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A file of /proc/PID that may not be opened, as under Yama or in some containers."""
    opening: Callable[..., int] = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).startswith("/proc/") and str(path).endswith(f"/{name}"):
            raise PermissionError(13, "Permission denied", str(path))
        return opening(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)


def test_pagemap_is_forbidden(program: Obedient, monkeypatch: pytest.MonkeyPatch) -> None:
    program.do("blocks = fill(20_000, 1000)")
    exact = check_sum(wb.read_memory(program.pid))
    forbid(monkeypatch, "pagemap")
    found = wb.read_memory(program.pid)
    parts = check_sum(found)
    assert any("pagemap cannot be read" in note for note in found.notes)
    assert parts[IN_USE] == pytest.approx(exact[IN_USE], rel=0.3)
    assert parts[FILES] == exact[FILES]


def test_the_memory_is_forbidden(program: Obedient, monkeypatch: pytest.MonkeyPatch) -> None:
    program.do("blocks = fill(20_000, 1000)")
    exact = check_sum(wb.read_memory(program.pid))
    forbid(monkeypatch, "mem")
    found = wb.read_memory(program.pid)
    parts = check_sum(found)
    assert found.rest_name == UNKNOWN
    assert any("/mem: Permission denied" in note for note in found.notes)
    assert parts[IN_USE] == pytest.approx(exact[IN_USE], rel=0.3)
    assert parts[FILES] == pytest.approx(exact[FILES], rel=0.1)  # with the control block
    assert not found.classes


@is_root
def test_a_process_that_nobody_may_look_into(program: Obedient) -> None:
    program.do("libc.prctl(4, 0)")  # PR_SET_DUMPABLE
    done = subprocess.run(
        [*WITHOUT_RIGHTS, WORKBENCH, "memory", str(program.pid), "--json", "--classes"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert any("smaps" in note for note in report["notes"])
    assert (
        sum(part["bytes"] for part in report["parts"]) + report["unexplained_bytes"]
        == report["resident_bytes"]
    )
    assert {part["name"] for part in report["parts"]} >= {IN_USE}
    assert report["classes"] == []


@is_root
def test_a_process_of_another_user() -> None:
    user = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    with start([*user, "/bin/sh", "-c", "echo ready; read line"]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        done = subprocess.run(
            [*WITHOUT_RIGHTS, WORKBENCH, "memory", str(process.pid), "--json"],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        report = json.loads(done.stdout)
        assert report["parts"] == []
        assert report["unexplained_bytes"] == report["resident_bytes"] > 0
        assert any("smaps" in note for note in report["notes"])


def test_a_process_without_a_control_block() -> None:
    with start(["/bin/sh", "-c", "echo ready; read line"]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        found = wb.read_memory(process.pid)
        assert check_sum(found)[FILES] > 0
        assert found.rest_name == UNKNOWN
        assert "no control block" in found.notes[0]
        assert UNKNOWN in run_workbench("memory", process.pid).stdout


@pytest.mark.parametrize("allocator", ["glibc", "jemalloc", "tcmalloc", "mimalloc3"])
def test_another_allocator(allocator: str) -> None:
    if not get_allocator(allocator).available:
        pytest.skip(f"{allocator} is not installed")
    with run_obedient("--allocator", allocator, "--agent") as program:
        program.do("blocks = fill(20_000, 1000)")
        found = wb.read_memory(program.pid)
        parts = check_sum(found)
        assert found.rest_name == UNKNOWN
        assert parts[FILES] > 0
        if allocator != "mimalloc3":  # it does not count blocks
            assert parts[IN_USE] > 15_000_000


def test_a_process_that_has_ended() -> None:
    with run_obedient() as program:
        os.kill(program.pid, signal.SIGKILL)
        os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)  # a zombie is left
        with pytest.raises(NoProcess):
            wb.read_memory(program.pid)
        assert_refused(run_workbench("memory", program.pid), str(program.pid))
    assert_refused(run_workbench("memory", program.pid), str(program.pid))


@pytest.mark.parametrize("how", ["kill", "exec"])
@pytest.mark.parametrize("when", ["mappings", "place", "chunks"])
def test_it_ends_in_the_middle(
    program: Obedient, monkeypatch: pytest.MonkeyPatch, when: str, how: str
) -> None:
    program.do("blocks = fill(20_000, 1000); free(blocks[::2])")

    def end() -> None:
        if how == "exec":
            program.do("other = 'print(\"done\", flush=True); input()'")
            program.do(f"os.execv({sys.executable!r}, ['python', '-c', other])")
        else:
            program.process.kill()
            os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)

    owner, name = {
        "mappings": (use, "read_mappings"),
        "place": (use, "read_place"),
        "chunks": (records.Records, "_read_chunks"),
    }[when]
    function = getattr(owner, name)

    def read_and_end(*arguments: object) -> object:
        value = function(*arguments)
        end()
        return value

    monkeypatch.setattr(owner, name, read_and_end)
    with pytest.raises(NoProcess):
        wb.read_memory(program.pid)


def test_a_description_that_is_nonsense_is_refused(
    program: Obedient, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nonsense(records.ProcessMemory):
        def read(self, address: int, count: int) -> bytes:
            return b"\xff\xff" * (count // 2)

    monkeypatch.setattr(use, "ProcessMemory", Nonsense)
    found = wb.read_memory(program.pid)
    check_sum(found)
    assert any("another version" in note for note in found.notes)


def test_the_command(program: Obedient) -> None:
    program.do("blocks = fill(20_000, 1000)")
    report = run_workbench("memory", program.pid, "--json").json
    assert set(report) == {"pid", "resident_bytes", "parts", "unexplained_bytes", "huge_page_bytes", "notes"}
    assert (
        sum(part["bytes"] for part in report["parts"]) + report["unexplained_bytes"]
        == report["resident_bytes"]
    )
    text = run_workbench("memory", program.pid, "--classes").stdout
    for words in (IN_USE, OTHERS, "resident", "1024 B", "fragmentation"):
        assert words in text
    one = run_workbench("memory", f"parent:{program.pid}", "--json").json
    assert one["parts"]
    assert Path(f"/proc/{program.pid}").exists()
