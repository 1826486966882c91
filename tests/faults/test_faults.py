"""System calls that fail, at every moment of a fixed run: see faults.c."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

CAP_S = 600.0
INTEGRITY: Mapping[str, str] = {"HAKMEM_CHECK_LEVEL": "3", "HAKMEM_SS_PURGE_DELAY_MS": "0"}


def run(program: Path, words: list[str], settings: Mapping[str, str]) -> str:
    """What the program printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HAKMEM_")}
    done = subprocess.run(
        [str(program), *words],
        env=environment | dict(settings),
        capture_output=True,
        text=True,
        timeout=CAP_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.mark.parametrize("settings", [{}, INTEGRITY], ids=["defaults", "integrity"])
@pytest.mark.parametrize(
    ("span", "every"),
    [
        pytest.param(1, 1, id="once"),
        pytest.param(3, 3, id="three in a row"),  # so that each call fails; `make soak` has every moment
        pytest.param(0, 3, id="from then on"),
    ],
)
def test_any_system_call_fails(
    native_program: Callable[[str], Path], span: int, every: int, settings: Mapping[str, str]
) -> None:
    said = run(native_program("faults"), ["any", str(span), str(every)], settings)
    assert said.startswith("faults: ok")
    assert int(said.split()[2]) * every > 200  # moments


@pytest.mark.parametrize(
    "kind", ["mmap", "munmap", "madvise", "mremap", "pthread_create", "file", "occupied"]
)
def test_one_kind_fails_from_some_moment_on(native_program: Callable[[str], Path], kind: str) -> None:
    assert run(native_program("faults"), [kind, "0"], {}).startswith("faults: ok")


@pytest.mark.parametrize("span", ["1", "0"], ids=["once", "from then on"])
def test_without_the_range(native_program: Callable[[str], Path], span: str) -> None:
    every = "7"  # `make soak` has every moment
    assert run(native_program("faults"), ["outside", span, every], {}).startswith("faults: ok")


def test_limits_of_what_there_is(native_program: Callable[[str], Path]) -> None:
    """Address space and writable memory may not grow any more, from any moment on."""
    assert run(native_program("faults"), ["limit", "0"], {}).startswith("faults: ok")


def test_metadata_do_not_grow(native_program: Callable[[str], Path]) -> None:
    assert run(native_program("metadata"), [], {}).startswith("metadata: ok")
