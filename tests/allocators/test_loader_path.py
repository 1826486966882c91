"""Libraries in folders of any name: the loader loads them, through a link that nobody else can change."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.allocators import get_allocator, loader_path, run_environment
from workbench.errors import CannotPreload
from workbench.processes import preload, preload_environment, record, trace_recorder

NAMES = [
    "My Projects",
    "a:b",
    "a\tb",
    "a\nb",
    "it's",
    'a "b"',
    "$ORIGIN",
    "${LIB}",
    "a;b",
    "a#b",
    "50%",
    "é 日本",
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where links are made."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def copy_library(library: Path | None, folder: Path) -> Path:
    assert library is not None
    folder.mkdir(parents=True)
    return Path(shutil.copy(library, folder))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_loaded_from_a_folder_of_any_name(name: str, tmp_path: Path, cache: Path) -> None:
    library = copy_library(get_allocator("hakmem").library, tmp_path / "in" / name)
    environment = run_environment(library)
    for _ in range(2):  # the second time the link is there
        done = subprocess.run(["cat", "/proc/self/maps"], env=environment, capture_output=True, check=True)
        assert done.stderr == b""
        assert os.fsencode(library).replace(b"\n", b"\\012") in done.stdout
        assert run_environment(library) == environment
    assert not cache.exists() or len(list((cache / "hakmem-workbench").iterdir())) == 1


def test_a_path_without_such_marks_is_used_as_it_is(tmp_path: Path, cache: Path) -> None:
    assert loader_path(tmp_path / "libhakmem.so") == str(tmp_path / "libhakmem.so")
    assert not cache.exists()


def test_a_program_and_a_recording_start_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hakmem = get_allocator("hakmem")
    moved = replace(hakmem, library=copy_library(hakmem.library, tmp_path / "My: Projects"))
    monkeypatch.setattr(preload, "get_allocator", lambda name: moved)
    others = preload_environment({}, {"LD_PRELOAD": "/lib/other.so"})["LD_PRELOAD"]
    once, other = others.split(":")
    assert (Path(once).resolve(), other) == (moved.library, "/lib/other.so")
    assert preload_environment({}, {"LD_PRELOAD": others})["LD_PRELOAD"] == others
    recorder = copy_library(trace_recorder.RECORDER_LIBRARY, tmp_path / "My Recorder")
    monkeypatch.setattr(trace_recorder, "RECORDER_LIBRARY", recorder)
    outcome = record(["true"], tmp_path / "a trace.haktrace", spool_directory=tmp_path)
    assert [trace.metadata.program for trace in outcome.traces] == ["true"]


def test_a_link_of_an_installation_that_is_gone_is_removed(tmp_path: Path, cache: Path) -> None:
    gone = loader_path(tmp_path / "gone away" / "libhakmem.so")
    assert Path(gone).parent.is_symlink()
    (tmp_path / "still here").mkdir()
    kept = loader_path(tmp_path / "still here" / "libhakmem.so")
    assert list((cache / "hakmem-workbench").iterdir()) == [Path(kept).parent]


def test_a_link_that_leads_elsewhere_is_put_right(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    path = Path(loader_path(tmp_path / "a b" / "libhakmem.so"))
    path.parent.unlink()
    path.parent.symlink_to("/nowhere")
    assert Path(loader_path(tmp_path / "a b" / "libhakmem.so")).resolve() == tmp_path / "a b" / "libhakmem.so"


@pytest.mark.parametrize("fault", ["open folder", "open parent", "link", "file", "read-only"])
def test_no_link_is_made_where_another_user_could_change_it(
    fault: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(mode=0o700)
    folder = cache / "hakmem-workbench"
    if fault == "open folder":
        folder.mkdir()
        folder.chmod(0o777)
    elif fault == "open parent":
        cache.chmod(0o777)
    elif fault == "link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    elif fault == "file":
        folder.touch()
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/self/cache")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    path = Path(loader_path(tmp_path / "a b" / "libhakmem.so"))
    assert path.parent.parent == tmp_path / "home" / ".cache" / "hakmem-workbench"
    assert not folder.is_dir() or list(folder.iterdir()) == []


def test_where_no_link_can_be_made_the_reasons_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = [Path("/proc/self/closed"), tmp_path / "none" / "deep" / "deeper"]
    monkeypatch.setattr("workbench.allocators.preload_paths._list_folders", lambda: iter(closed))
    with pytest.raises(CannotPreload, match="separates libraries at blanks and colons; no link") as caught:
        loader_path(tmp_path / "a b" / "libhakmem.so")
    assert all(str(folder) in str(caught.value) for folder in closed)
    assert "\n" not in str(caught.value)
