"""A checkout that is used: what the tests judge is what is committed, whatever lies beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.tracked_files import list_blobs, list_files, read_bytes, write_committed

COPIED = ("notebooks", "tests", "docs", "requirements", "workbench")


@pytest.fixture
def checkout(tmp_path: Path, repository: Path) -> Path:
    """A checkout with the folders that the tests of the project look at."""
    folder = tmp_path / "my checkout"
    for path in list_files():
        if path.parts[0] in COPIED or len(path.parts) == 1:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(read_bytes(path))
    return folder


def make_repository(folder: Path) -> None:
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
    environment = os.environ | identity | {"GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": os.devnull}
    for words in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "all"]):
        subprocess.run(["git", *words], cwd=folder, env=environment, check=True)


def use(folder: Path) -> None:
    """What JupyterLab, the README's commands and people leave in a checkout."""
    notebook = folder / "notebooks" / "01_live_tuning.ipynb"
    saved = json.loads(notebook.read_text())
    output = {"name": "stdout", "output_type": "stream", "text": ["/ho" + "me/user/x\n"]}
    code = next(cell for cell in saved["cells"] if cell["cell_type"] == "code")
    code |= {"outputs": [output], "execution_count": 3}
    saved["metadata"]["widgets"] = {}
    notebook.write_text(json.dumps(saved))
    (folder / "notebooks" / ".ipynb_checkpoints").mkdir()
    shutil.copy(notebook, folder / "notebooks" / ".ipynb_checkpoints" / "01_live_tuning-checkpoint.ipynb")
    shutil.copy(notebook, folder / "notebooks" / "My own.ipynb")
    (folder / "notebooks" / "notes.py").write_text("# TO" + "DO\n" * 600)
    (folder / "tuned.toml").write_text("# process: /ho" + "me/user/program\n")
    (folder / "mine.haktrace").write_bytes(b"\xff")


def judge(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of the files and of the notebooks there."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/project/test_files.py"]
    return subprocess.run(
        [*command, "tests/panel/test_notebooks.py", "-k", "not unattended"],
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(list_blobs() is None, reason="needs git")
def test_using_it_fails_no_test(checkout: Path) -> None:
    make_repository(checkout)
    use(checkout)
    done = judge(checkout)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    # Committed with its outputs it is a fault.
    subprocess.run(["git", "add", "notebooks/01_live_tuning.ipynb"], cwd=checkout, check=True)
    assert judge(checkout).returncode == 1


def test_without_git_the_files_themselves_are_judged(checkout: Path) -> None:
    assert not any((folder / ".git").exists() for folder in checkout.parents)
    assert judge(checkout).returncode == 0
    use(checkout)
    done = judge(checkout)
    assert done.returncode == 1
    assert "01_live_tuning" in done.stdout


@pytest.mark.skipif(list_blobs() is None, reason="needs git")
def test_the_notebooks_that_tests_run_are_the_committed_ones(notebooks: Path, tmp_path: Path) -> None:
    write_committed("notebooks", tmp_path)
    assert {path.name for path in notebooks.iterdir()} == {path.name for path in tmp_path.iterdir()}
    for path in notebooks.glob("*.ipynb"):
        assert '"outputs": []' in path.read_text()
