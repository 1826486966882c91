"""Commands started with descriptors 0, 1 or 2 closed, as by daemons and cron's wrappers."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import PATIENCE_S, WORKBENCH

LIST = """
import contextlib, os, sys
for number in (0, 1, 2):
    with contextlib.suppress(OSError):
        os.fstat(number)
        with open(sys.argv[1], "a") as file:
            print(number, file=file)
"""
COMMANDS = (["ps"], ["run", "pair", "--operations", "1000"])


def type_without(closed: tuple[int, ...], *words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    return subprocess.run(
        [str(WORKBENCH), *map(str, words)],
        preexec_fn=close,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        **options,
    )


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
@pytest.mark.parametrize("command", ["exec", "record"])
def test_the_program_runs_and_finds_them_closed(
    tmp_path: Path, closed: tuple[int, ...], command: str
) -> None:
    listing = tmp_path / "open"
    listing.touch()
    options = ["-o", tmp_path / "a"] if command == "record" else []
    program = ["/usr/bin/python3", "-c", LIST, listing]
    done = type_without(closed, command, *options, "--", *program, stdin=subprocess.DEVNULL)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert listing.read_text().split() == [str(number) for number in (0, 1, 2) if number not in closed]


@pytest.mark.parametrize("words", COMMANDS)
def test_output_that_cannot_be_written(words: list[str]) -> None:
    without = type_without((1,), *words)
    assert (without.returncode, without.stderr) == (1, "workbench: standard output: it is closed\n")
    assert type_without((0,), *words).returncode == 0
    silent = type_without((2,), *words)
    assert (silent.returncode, silent.stderr) == (0, "")
    assert silent.stdout
    with Path("/dev/full").open("w") as full:
        command = [str(WORKBENCH), *words]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "No space left on device" in done.stderr


def test_wrong_input_without_standard_error() -> None:
    done = type_without((2,), "nosuch")
    assert (done.returncode, done.stdout) == (2, "")


def test_children_ignored() -> None:
    """As some daemons leave SIGCHLD: no status of a child is lost."""

    def ignore() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    command = [str(WORKBENCH), "run", "pair", "--operations", "1000"]
    done = subprocess.run(
        command, preexec_fn=ignore, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "completed" in done.stdout
