"""Which datasets there are; each found, loaded and verified by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from workbench.datasets.card import Card, compare_with_trace
from workbench.traces import SUFFIX, Trace
from workbench.traces.places import CARD_SUFFIX, datasets_folder, find, find_card


@dataclass(frozen=True)
class DatasetCheck:
    """What came of verifying a dataset: `problems` has a line for each thing that is wrong."""

    name: str
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether the recording is what its card says."""
        return not self.problems


def known_datasets() -> Mapping[str, Card]:
    """The cards of all datasets, by name.

    Raises
    ------
    UnknownDataset, DamagedDataset
        If there are no datasets here, or a card cannot be read.
    """
    return {path.stem: Card.read(path) for path in sorted(datasets_folder().glob(f"*{CARD_SUFFIX}"))}


def get_card(name: str) -> Card:
    """Read the card of a dataset.

    Raises
    ------
    UnknownDataset, DamagedDataset
        With the nearest name; or as `known_datasets`.
    """
    return Card.read(find_card(name))


def load(name: str) -> pd.DataFrame:
    """Read a dataset as a table, a row an event.

    Parameters
    ----------
    name : str
        Name of a dataset.

    Returns
    -------
    DataFrame
        kind (malloc, calloc, aligned, realloc, free, thread_start, thread_end), thread (0 is the
        first), object_id, size_bytes, alignment_bytes (0: default), site (row of the trace's table of
        call sites), time_ns (since the start, in whole microseconds).

    Raises
    ------
    UnknownDataset, DamagedTrace
        If there is none of that name, or its file is not sound.
    """
    with Trace.open(find(name)) as trace:
        return trace.to_frame()


def verify(name: str) -> DatasetCheck:
    """Recompute what a dataset's card says from its recording, checksums first.

    Raises
    ------
    UnknownDataset, DamagedDataset
        If there is none of that name, or its card cannot be read.
    """
    path = find_card(name)
    return DatasetCheck(name, tuple(compare_with_trace(Card.read(path), path.with_suffix(SUFFIX))))
