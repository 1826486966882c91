"""What the fuzzers once reached, through the readers again; and that what must hold is really asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.hostile import TARGETS, repair_checksums, trace_seeds
from tests.fuzz.run import NATIVE, PYTHON, read_corpus
from workbench.errors import WorkbenchError
from workbench.traces import Trace


@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs_are_read_or_refused(name: str) -> None:
    check, seeds = TARGETS[name]
    assert any(check(content) for content in seeds())
    outcomes = {check(content) for content in read_corpus(name)}
    assert outcomes == {True, False}


@pytest.mark.parametrize("name", [*NATIVE, *PYTHON])
def test_a_corpus_is_kept(name: str) -> None:
    sizes = [len(content) for content in read_corpus(name)]
    assert len(sizes) > 5
    assert sum(sizes) <= 200_000


def _changed(content: bytes) -> Iterator[bytes]:
    for place in range(20, len(content) - 1, 97):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_checksums_are_mended(tmp_path: Path) -> None:
    """Else the fuzzer would only ever see them fail."""
    sound = list(trace_seeds())[-1][:-1]
    assert repair_checksums(sound) == sound
    opened = 0
    for content in _changed(sound):
        (tmp_path / "a").write_bytes(repair_checksums(content))
        try:
            with Trace.open(tmp_path / "a") as trace:
                opened += "checksum" not in str(trace.damage)
        except WorkbenchError:
            continue
    assert opened > 3
