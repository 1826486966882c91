"""A pond: a block with tunables and metrics that no allocator has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.control.made_up import MadeUpBlock, make_block
from workbench.control import ControlBlock


@pytest.fixture
def pond() -> Iterator[MadeUpBlock]:
    with make_block() as made:
        yield made


@pytest.fixture
def block(pond: MadeUpBlock) -> Iterator[ControlBlock]:
    with pond.open() as opened:
        yield opened
