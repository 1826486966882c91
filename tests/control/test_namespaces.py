"""Blocks of live processes in other namespaces (PID, time, mount, user): seen, set, never removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.terminal import WORKBENCH, run_workbench
from workbench.allocators import run_environment
from workbench.control import BlockInfo, ControlBlock, block_directory, find_blocks, sweep_dead_blocks
from workbench.errors import NotPermitted
from workbench.processes import preload_environment

CAP_S = 180.0

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces")

_PROGRAM = "import os; print(os.getpid(), flush=True); input()"


@contextmanager
def run_in(namespaces: list[str], prepare: str = "true") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A preloaded program in new namespaces; and the pid that it has there."""
    environment = preload_environment({}, run_environment(None))
    preload = environment.pop("LD_PRELOAD")
    script = f'{prepare} && LD_PRELOAD={preload} exec "$0" -c "$1"'
    with subprocess.Popen(
        ["unshare", *namespaces, "sh", "-c", script, sys.executable, _PROGRAM],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.skip(f"unshare {' '.join(namespaces)} is not to be had here")
        try:
            yield process, int(line)
        finally:
            process.communicate("\n", timeout=CAP_S)


def find_in_container(inner: int) -> BlockInfo:
    """The block of the process that has this pid in its own namespace."""
    (info,) = [info for info in find_blocks() if f"pid {inner} there" in info.where]
    return info


def in_namespaces(namespaces: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """A workbench command in new namespaces that share our /dev/shm."""
    command = ["unshare", *namespaces, str(WORKBENCH), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=CAP_S, check=True)


@pytest.mark.parametrize(
    "namespaces",
    [["-p", "-f", "-m", "--mount-proc"], ["-T", "--boottime", "10000", "-f"]],
    ids=["pid", "time"],
)
def test_a_command_in_another_namespace_leaves_a_live_block(namespaces: list[str]) -> None:
    with run_in([]) as (process, pid):
        assert pid == process.pid
        listed = in_namespaces(namespaces, "ps", "--json")
        assert str(pid) in listed.stdout
        with ControlBlock.open(pid) as block:
            block.set({"tls.max_slots": 512})
            assert block.requested().values["tls.max_slots"] == 512


def test_a_start_in_another_namespace_leaves_a_live_block() -> None:
    environment = preload_environment({}, run_environment(None))
    with run_in([]) as (_, pid):
        for _ in range(20):
            subprocess.run(
                ["unshare", "-p", "-f", "-m", "--mount-proc", "true"],
                env=environment,
                timeout=CAP_S,
                check=True,
            )
        with ControlBlock.open(pid) as block:
            assert block.alive()


def test_two_processes_of_one_pid_have_a_block_each() -> None:
    """Both are the first of a PID namespace; their names would be one if they had started together."""
    namespaces = ["-p", "-f", "-m", "--mount-proc"]
    with run_in(namespaces) as (_, one), run_in(namespaces) as (_, other):
        assert one == other
        found = [info for info in find_blocks() if f"pid {one} there" in info.where]
        assert len(found) == 2
        assert all(len(info.path.name.split(".")) == 4 for info in found)
        assert len({info.pid for info in found}) == 2
        for info in found:
            with ControlBlock.open(info.pid) as block:
                assert block.info == info


def test_a_host_sees_and_sets_the_block_of_a_container() -> None:
    prepare = "mount --make-rprivate / && mount -t tmpfs tmpfs /dev/shm"
    with run_in(["-m", "-p", "-f", "--mount-proc"], prepare) as (_, inner):
        info = find_in_container(inner)
        assert info.pid != inner
        assert Path(f"/proc/{info.pid}").exists()
        assert str(info.path).startswith("/proc/")
        assert not (block_directory() / info.path.name).exists()
        listed = run_workbench("ps")
        (line,) = [line for line in listed.stdout.splitlines() if line.split()[0] == str(info.pid)]
        assert f"pid {inner} there" in line
        done = run_workbench("set", info.pid, "tls.max_slots=512")
        assert (done.status, done.stderr) == (0, "")
        assert "512" in run_workbench("export", info.pid, "--format", "env").stdout
        told = json.loads(run_workbench("tunables", info.pid, "--json").stdout)
        assert {entry["name"]: entry["requested"] for entry in told["tunables"]}["tls.max_slots"] == 512
        assert info.path not in sweep_dead_blocks()


def test_no_column_is_spent_where_all_processes_are_here() -> None:
    if any(info.where for info in find_blocks()):
        pytest.skip("there are containers here")
    assert "where" not in run_workbench("ps").stdout.splitlines()[0]


def _plant_link(folder: Path, outside: Path) -> None:
    folder.rmdir()
    outside.chmod(0o700)
    folder.symlink_to(outside)


def _plant_hard_link(folder: Path, outside: Path) -> None:
    del outside
    (block,) = folder.iterdir()
    (folder / "1.1.hakmem").hardlink_to(block)


def _open_folder(folder: Path, outside: Path) -> None:
    del outside
    folder.chmod(0o755)


@pytest.mark.parametrize("plant", [_plant_link, _plant_hard_link, _open_folder])
def test_what_is_planted_in_a_container_is_not_followed(
    plant: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    prepare = "mount --make-rprivate / && mount -t tmpfs tmpfs /dev/shm"
    with run_in(["-m", "-p", "-f", "--mount-proc"], prepare) as (_, inner):
        info = find_in_container(inner)
        folder = info.path.parent
        if plant is _plant_link:
            (tmp_path / info.path.name).write_bytes(info.path.read_bytes())
            info.path.unlink()
        plant(folder, tmp_path)
        assert info.pid not in [other.pid for other in find_blocks()]
        with pytest.raises(NotPermitted):
            ControlBlock.open(info.path)


def test_a_user_without_a_mapping_makes_no_folder_of_nobodys() -> None:
    folder = Path("/dev/shm/hakmem-65534")
    was_there = folder.exists()
    with run_in(["-U"]):
        assert folder.exists() == was_there
