"""A terminal to type commands into, and a program to tune."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from tests.cli.terminal import PROGRAM, WORKBENCH, Program, start
from workbench.cli import cli
from workbench.control import find_blocks


@pytest.fixture
def program() -> Iterator[Program]:
    """A live program whose allocator can be tuned."""
    yield from run_program()


@pytest.fixture(scope="module")
def untouched_program() -> Iterator[Program]:
    """One such program for many tests, none of which changes anything."""
    yield from run_program()


def run_program() -> Iterator[Program]:
    with start([WORKBENCH, "exec", "--", sys.executable, "-c", PROGRAM]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert [info.kind for info in find_blocks(pid=process.pid)] == ["hakmem"]
        yield Program(process)


@pytest.fixture
def invoke() -> Callable[..., Result]:
    """Run a command in this process: quick, for what is wrong in arguments."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return run
