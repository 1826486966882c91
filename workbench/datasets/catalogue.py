"""Which datasets there are; each found, loaded and verified by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workbench.datasets.card import Card, compare_with_trace
from workbench.datasets.places import CARD_SUFFIX, datasets_folder
from workbench.errors import UnknownDataset, describe_unknown
from workbench.traces import SUFFIX, Trace


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
    return Card.read(_find_card(name))


def find(name: str) -> Path:
    """Find the recording of a dataset.

    Raises
    ------
    UnknownDataset
        With the nearest name, or what is missing.
    """
    path = _find_card(name).with_suffix(SUFFIX)
    if not path.is_file():
        raise UnknownDataset(
            f"dataset {name} has a card and no recording; record it again with "
            f"`workbench datasets rebuild {name}`"
        )
    return path


def find_trace(text: str) -> Path:
    """Find a trace by its path, or a dataset's by its name.

    Raises
    ------
    UnknownDataset
        If it is neither.
    """
    path = Path(text)
    if path.is_file():
        return path
    if path.suffix or path.name != text:
        what = "it is a folder" if path.is_dir() else "no such file"
        raise UnknownDataset(f"{text}: {what}; name a trace, or a dataset of `workbench datasets`")
    return find(text)


def load(name: str) -> pd.DataFrame:
    """Read a dataset as a table, a row an event.

    Parameters
    ----------
    name : str
        Of a dataset.

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
    path = _find_card(name)
    return DatasetCheck(name, tuple(compare_with_trace(Card.read(path), path.with_suffix(SUFFIX))))


def _find_card(name: str) -> Path:
    folder = datasets_folder()
    path = folder / f"{name}{CARD_SUFFIX}"
    if Path(name).name != name or not path.is_file():
        known = [card.stem for card in sorted(folder.glob(f"*{CARD_SUFFIX}"))]
        raise UnknownDataset(describe_unknown("dataset", name, known))
    return path
