"""The Makefile explains itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest


def test_help_is_the_default_and_names_every_target(repository: Path) -> None:
    run = subprocess.run(
        ["make", "--no-print-directory"], cwd=repository, capture_output=True, text=True, check=True
    )
    explained = set(re.findall(r"^  ([a-z0-9-]+) +\S", run.stdout, flags=re.MULTILINE))
    phony = re.findall(r"^\.PHONY: (.+)$", (repository / "Makefile").read_text(), flags=re.MULTILINE)
    targets = {target for line in phony for target in line.split()}
    assert targets
    assert targets - explained == set()


def test_a_task_of_unknown_name_is_refused(repository: Path) -> None:
    run = subprocess.run(
        ["scripts/debian_packages.sh", "holiday"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "unknown task 'holiday'" in run.stderr


def test_defaults_out_of_range_are_refused_before_anything_is_built(repository: Path, tmp_path: Path) -> None:
    header = tmp_path / "it's tuned.h"
    header.write_text("#define HAK_DEFAULT_tls_grow_percent 9000\n")
    run = subprocess.run(
        ["make", "--old-file=.venv/.stamp-package", "native", f"DEFAULTS={header}"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    assert "tls.grow_percent = 9000 is out of range: 50 to 99 %" in run.stderr


def test_what_pip_installs_is_what_was_built(repository: Path) -> None:
    # `make native` leaves a file as it is that is less than a second older than the one built: CMake takes
    # the two for the same, so a copy without symbols would stay, on a machine that is fast enough.
    assert tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["scikit-build"]["install"] == {
        "strip": False
    }


@pytest.mark.parametrize(
    "name", ["a:b", "a\tb", 'a "b"', "it's", "a$b", "a;b", "a\\b", "copy (1)", "a&b", "a*b"]
)
def test_a_folder_that_cannot_be_built_in_is_refused_at_once(
    repository: Path, tmp_path: Path, name: str
) -> None:
    made = list_steps(repository, tmp_path / name)
    assert (made.returncode, made.stdout) == (2, "")
    assert made.stderr.count("\n") == 1
    assert "the build cannot work with" in made.stderr
    assert "move the checkout to a folder without them" in made.stderr


@pytest.mark.parametrize("name", ["My Projects", "Übung", "日本", "a#b", "50%", "a,b=c@d+e~f"])
def test_other_folders_are_built_in(repository: Path, tmp_path: Path, name: str) -> None:
    made = list_steps(repository, tmp_path / name)
    assert made.returncode == 0, made.stderr
    assert "pip install" in made.stdout


def list_steps(repository: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """What `make setup` would do in a checkout there."""
    folder.mkdir()
    shutil.copy(repository / "Makefile", folder)
    for name in ("scripts", "native", "requirements", "workbench"):
        (folder / name).symlink_to(repository / name)
    (folder / "pyproject.toml").touch()
    command = ["make", "--no-print-directory", "--dry-run", "setup"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
