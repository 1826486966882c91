"""Sessions without a process: made-up samples written by the real writer; and one that was really run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.control.made_up import MadeUpBlock, make_block
from workbench.control import DO
from workbench.processes import Run, Step
from workbench.sessions import Change, Column, Sample, Session, SessionFacts, SessionWriter, record_run

LEVEL = Column("pond.level", "Level", "pond.level", "", "cm", is_step=True)
CATCH = Column("fish.caught wild", "Catch", "fish.caught", "wild", "fish/s", is_rate=True)
OPERATIONS = 6_000_000


@pytest.fixture
def make_writer(tmp_path: Path) -> Iterator[Callable[..., SessionWriter]]:
    """Makes writers of a session of nothing in particular."""
    made: list[SessionWriter] = []

    def make(folder: Path = tmp_path, **options: object) -> SessionWriter:
        facts = SessionFacts("a pond", "2026-11-21T12:00:00Z", Run("larson", threads=1, operations=10))
        made.append(SessionWriter(folder, facts, time.monotonic(), **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for writer in made:
        writer.close()


def add_rows(writer: SessionWriter, count: int, *, first: int = 0) -> None:
    """Rows 0.1 s apart, 1000 operations each; the rate comes with the third."""
    for index in range(first, first + count):
        values = {LEVEL.key: float(index)}
        columns = [LEVEL]
        if index >= 2:
            values[CATCH.key] = index / 2
            columns.append(CATCH)
        writer.add_sample(Sample(index * 0.1, index * 1000, values), columns)
        writer.flush(is_now=True)


def add_change(writer: SessionWriter, number: int) -> None:
    """One set of two tunables."""
    before: dict[str, int | float | str | bool] = {"pond.depth": 4, "fish.colour": "blue"}
    after: dict[str, int | float | str | bool] = {"pond.depth": 5, "fish.colour": 'it\'s "brown"'}
    now_s = time.monotonic()
    writer.add_changes([Change(number, now_s, "you", before, after, operations=1234, is_exact=True)])


@pytest.fixture
def pond() -> Iterator[MadeUpBlock]:
    """A block that tells events."""
    with make_block() as made:
        yield made


@pytest.fixture(scope="session")
def exact_session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A run of one thread whose clock counts operations, with changes on the way."""
    spec = Run(
        "phases",
        threads=1,
        seed=7,
        operations=OPERATIONS,
        tunables={"clock.mode": "operations"},
        schedule=(
            Step({"tls.grow_percent": 60}, 1_000_000),
            Step({"tls.max_slots": 128, "trim": DO}, 3_000_000),
        ),
    )
    folder = tmp_path_factory.mktemp('it\'s a "folder" with $blanks')
    return record_run(spec, folder, name="it's mine")
