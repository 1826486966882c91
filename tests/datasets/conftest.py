"""The datasets of the repository, and copies to spoil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workbench.datasets import datasets_folder

SMALLEST = "xz_threads"


@pytest.fixture(autouse=True)
def plan_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans of replays are kept with the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of datasets with one recording, its card and its scenario: the one in use."""
    folder = tmp_path / "data 'sets'"
    (folder / "scenarios").mkdir(parents=True)
    for name in (f"{SMALLEST}.haktrace", f"{SMALLEST}.toml"):
        shutil.copy(datasets_folder() / name, folder)
    shutil.copytree(datasets_folder() / "scenarios" / SMALLEST, folder / "scenarios" / SMALLEST)
    monkeypatch.setenv("WORKBENCH_DATASETS", str(folder))
    return folder
