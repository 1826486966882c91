"""What a shell completes, asked as the shell asks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.cli.terminal import WORKBENCH, Program, run_workbench

BESIDE = Path(WORKBENCH).with_name("hakmem")


def complete(line: str, command: Path | str = WORKBENCH) -> set[str]:
    """The words that bash would offer for the last word of a line."""
    words = line.split(" ")
    name = Path(command).name.upper()
    asked = {
        f"_{name}_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join([name.lower(), *words]),
        "COMP_CWORD": str(len(words)),
    }
    run = subprocess.run(
        [command], env=os.environ | asked, capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stderr == ""
    return {line.removeprefix("plain,") for line in run.stdout.split()}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("tuna", {"tunables"}),
        ("run lars", {"larson"}),
        ("run larson --allocator gl", {"glibc"}),
        ("run larson --set tls.grow_p", {"tls.grow_percent="}),
        ("compare --allocators glibc,hak", {"glibc,hakmem"}),
        ("compare --dataset redi", {"redis"}),
        ("replay redi", {"redis"}),
        ("trace summary mine.hak", {"file,mine.hak"}),
        ("datasets verify lu", {"lua"}),
        ("run --see", {"--seed"}),
        ("nonsense x", set()),
    ],
)
def test_the_word_at_the_end_is_completed(line: str, offered: set[str]) -> None:
    assert complete(line) == offered


def test_processes_and_their_tunables(program: Program) -> None:
    assert str(program.pid) in complete("set ")
    assert complete(f"set {program.pid} tls.grow_p") == {"tls.grow_percent="}


def test_the_other_name_of_the_command_completes_too() -> None:
    assert complete("compar", BESIDE) == {"compare"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(shell: str) -> None:
    assert "_WORKBENCH_COMPLETE" in run_workbench("completion", shell).stdout


def test_bash_takes_the_script() -> None:
    script = run_workbench("completion", "bash").stdout
    asked = "COMP_WORDS=(workbench run lars); COMP_CWORD=2; _workbench_completion $0; echo ${COMPREPLY[*]}"
    run = subprocess.run(
        ["bash", "-c", script + asked, WORKBENCH], capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout.strip() == "larson", run.stderr
