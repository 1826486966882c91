"""workloads, allocators, preload, and the help that leads to them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.cli.terminal import WORKBENCH, run_workbench
from workbench.commands import COMMANDS, load_command


def test_workloads() -> None:
    entries = {entry["name"]: entry for entry in run_workbench("workloads", "--json").json}
    assert {"larson", "random_mixed", "site_churn", "mid_churn", "phases"} <= entries.keys()
    for entry in entries.values():
        assert entry["help"]
        assert entry["stresses"]
        assert entry["default_threads"] >= 1
        assert all(
            parameter["minimum"] <= parameter["default"] <= parameter["maximum"]
            for parameter in entry["parameters"]
        )
    text = run_workbench("workloads").stdout
    assert all(name in text for name in entries)


def test_allocators() -> None:
    entries = {entry["name"]: entry for entry in run_workbench("allocators", "--json").json}
    assert set(entries) == {"hakmem", "glibc", "jemalloc", "tcmalloc", "mimalloc2", "mimalloc3"}
    assert entries["hakmem"]["available"]
    assert entries["glibc"]["available"]
    for entry in entries.values():
        assert entry["version"] if entry["available"] else entry["remedy"]
    text = run_workbench("allocators").stdout
    assert all(name in text for name in entries)


def test_preload_prints_a_path_and_nothing_else() -> None:
    done = run_workbench("preload")
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert Path(done.stdout.strip()).name == "libhakmem.so"
    assert Path(done.stdout.strip()).is_file()
    assert run_workbench("preload", "--json").json == {"library": done.stdout.strip()}


def test_help_names_every_command() -> None:
    text = run_workbench().stdout
    assert text == run_workbench("--help").stdout
    assert {"lab", "run", "exec", "set", "record", "replay", "compare", "sweep", "verify"} <= set(COMMANDS)
    for name, place in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(place.help)}$", text, re.MULTILINE)
        assert load_command(name).name == name
    assert run_workbench("--version").stdout.startswith("workbench ")


def test_a_full_disk_is_said() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        command = [str(WORKBENCH), "tunables"]
        done = subprocess.run(
            command, env=buffered, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "workbench: standard output: No space left on device\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(invoke: Callable[..., Result], name: str) -> None:
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert "--json" in result.stdout
    assert f"{name} [OPTIONS]" in result.stdout


def test_a_group_alone_explains_itself(invoke: Callable[..., Result]) -> None:
    result = invoke("trace")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: ")
    for line in ("  plot  ", "  summary  "):
        assert f"\n{line}" in result.stdout


def test_json_of_a_group_is_json_of_its_subcommand() -> None:
    (found,) = run_workbench("datasets", "--json", "verify", "jq").json
    assert found["name"] == "jq"
