"""Every dataset under every allocator: the beginning of each; `workbench replay` does all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.allocators import allocators, get_allocator
from workbench.datasets import find, known_datasets
from workbench.processes import Run, run
from workbench.traces import SUFFIX, CallKind, Trace, TraceWriter

EVENTS = 12_000


@pytest.fixture(scope="module")
def beginnings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The first events of each dataset, as traces."""
    folder = tmp_path_factory.mktemp("beginnings")
    made = []
    for name in known_datasets():
        path = folder / f"{name}{SUFFIX}"
        with Trace.open(find(name)) as trace, TraceWriter.open(path, program=name, level=1) as writer:
            writer.add_sites(list(trace.sites))
            writer.append(next(trace.chunks())[:EVENTS])
        made.append(path)
    return made


@pytest.fixture(scope="module")
def checksums() -> dict[str, str]:
    """What the first allocator was asked for, by dataset."""
    return {}


@pytest.mark.parametrize("allocator", [allocator.name for allocator in allocators()])
def test_no_dataset_fails_and_all_ask_for_the_same(
    beginnings: list[Path], allocator: str, checksums: dict[str, str]
) -> None:
    get_allocator(allocator)  # or says what to install
    for path in beginnings:
        outcome = run(Run("replay", trace=str(path), parameters={"loops": 1}, allocator=allocator), 60)
        assert (outcome.status, outcome.message) == ("completed", ""), path.stem
        assert outcome.operations == count_operations(path), path.stem
        assert outcome.checksum == checksums.setdefault(path.stem, outcome.checksum), path.stem


def count_operations(path: Path) -> int:
    """Calls of a trace: all events but those of threads."""
    with Trace.open(path) as trace:
        return sum(int((chunk.kind <= CallKind.FREE).sum()) for chunk in trace.chunks())
