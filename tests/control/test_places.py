"""Who may reach a block: its owner alone, and never through what somebody planted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.control.made_up import MadeUpBlock
from workbench.control import ControlBlock, block_directory
from workbench.errors import DamagedBlock, NoProcess, NotPermitted

IS_ROOT = os.geteuid() == 0
OTHER_UID = 61234

# Root's interpreter takes the modules in, then becomes another user and tells what that user meets.
_AS_OTHER = """
import json, os, sys
from workbench.control import ControlBlock, find_blocks
from tests.control.made_up import make_block
from workbench.errors import WorkbenchError
uid, mode, target = int(sys.argv[1]), sys.argv[2], sys.argv[3]
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
def attempt(action):
    try:
        return str(action())
    except WorkbenchError as error:
        return f"{type(error).__name__}: {error}"
if mode == "open":
    pid = int(sys.argv[4])
    told = [attempt(lambda: ControlBlock.open(target)), attempt(lambda: ControlBlock.open(pid, "pond"))]
else:
    with make_block() as made:
        told = [str(made.path), str(len(find_blocks(os.getpid(), 'pond')))]
print(json.dumps(told))
"""


def run_as_other(*arguments: str) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", _AS_OTHER, str(OTHER_UID), *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=120,
    )
    told: list[str] = json.loads(result.stdout)
    return told


@pytest.fixture
def other_directory() -> Iterator[Path]:
    directory = Path(f"/dev/shm/hakmem-{OTHER_UID}")
    yield directory
    if directory.is_symlink():
        directory.unlink()
    elif directory.is_dir():
        for path in directory.iterdir():
            path.unlink()
        directory.rmdir()


def test_folder_and_file_are_closed_to_others(pond: MadeUpBlock) -> None:
    assert block_directory().stat().st_mode & 0o7777 == 0o700
    assert pond.path.stat().st_mode & 0o7777 == 0o600
    assert pond.path.stat().st_uid == os.geteuid()


def test_another_user_gets_nowhere(pond: MadeUpBlock) -> None:
    if not IS_ROOT:
        return  # the modes above are all that can be shown without a second user
    by_path, by_pid = run_as_other("open", str(pond.path), str(os.getpid()))
    assert by_path == f"NotPermitted: not permitted to open {pond.path}: it is another user's"
    assert by_pid.startswith(f"NotPermitted: process {os.getpid()} belongs to another user (uid 0)")


def test_another_user_has_blocks_of_their_own(other_directory: Path) -> None:
    if not IS_ROOT:
        return
    path, found = run_as_other("make", "")
    assert Path(path).parent == other_directory
    assert found == "1"
    assert other_directory.stat().st_uid == OTHER_UID


@pytest.mark.parametrize("plant", ["link", "foreign folder", "open folder", "file"])
def test_a_planted_folder_gets_nowhere(other_directory: Path, tmp_path: Path, plant: str) -> None:
    if not IS_ROOT:
        return
    if plant == "link":
        tmp_path.chmod(0o700)
        os.chown(tmp_path, OTHER_UID, OTHER_UID)
        other_directory.symlink_to(tmp_path)
    elif plant == "file":
        other_directory.touch()
        os.chown(other_directory, OTHER_UID, OTHER_UID)
    else:
        other_directory.mkdir()
        other_directory.chmod(0o777 if plant == "foreign folder" else 0o755)
        if plant == "open folder":
            os.chown(other_directory, OTHER_UID, OTHER_UID)
    path, found = run_as_other("make", "")
    assert path == "."  # private memory: there is no file
    assert found == "0"
    assert list(tmp_path.iterdir()) == []
    if plant == "file":
        other_directory.unlink()


@pytest.mark.parametrize(
    ("restriction", "has_file"),
    [
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))", False),
        ("os.umask(0o777)", True),
        ("[os.close(descriptor) for descriptor in (0, 2)]", True),
    ],
)
def test_a_restricted_process_lives_on(restriction: str, has_file: bool) -> None:
    """A file that could kill its process later is not made; an odd process gets one all the same."""
    script = f"""
import os, resource
from tests.control.made_up import make_block
{restriction}
with make_block() as made:
    made.append_event("RAIN")
    mode = made.path.stat().st_mode & 0o777 if made.path.name else 0
    print(oct(mode), made.adopt())
"""
    told = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True, timeout=120
    ).stdout
    assert told.split() == ["0o600" if has_file else "0o0", "1"]


def test_a_planted_file_is_replaced_and_not_written_through(pond: MadeUpBlock, tmp_path: Path) -> None:
    from tests.control.made_up import make_block

    victim = tmp_path / "victim"
    victim.write_text("precious")
    victim.chmod(0o600)
    path = pond.path.with_name(pond.path.name.replace("pond", "planted"))
    path.symlink_to(victim)
    path.with_name(path.name + ".new").symlink_to(victim)
    with make_block(kind="planted") as made:
        assert made.path == path
        assert not path.is_symlink()
        assert victim.read_text() == "precious"


def test_links_pipes_and_folders_are_not_opened(pond: MadeUpBlock, tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(pond.path)
    os.mkfifo(pipe)
    with pytest.raises(NotPermitted, match="symbolic link"):
        ControlBlock.open(link)
    with pytest.raises(DamagedBlock, match="is not a file"):
        ControlBlock.open(pipe)
    with pytest.raises(DamagedBlock, match="is a directory"):
        ControlBlock.open(tmp_path)
    with pytest.raises(NoProcess):
        ControlBlock.open(tmp_path / "nothing")
