"""The Makefile explains itself."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path


def test_help_is_the_default_and_names_every_target(repository: Path) -> None:
    run = subprocess.run(
        ["make", "--no-print-directory"], cwd=repository, capture_output=True, text=True, check=True
    )
    explained = set(re.findall(r"^  ([a-z-]+) +\S", run.stdout, flags=re.MULTILINE))
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
