"""Where traces lie: by path, or datasets by name. Those are part of the repository, not of the package."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.errors import UnknownDataset, describe_unknown
from workbench.traces.format import SUFFIX

ENVIRONMENT = "WORKBENCH_DATASETS"
_OWN_FOLDER = Path(__file__).resolve().parents[2] / "datasets"
SCENARIOS = "scenarios"
CARD_SUFFIX = ".toml"


def datasets_folder() -> Path:
    """Folder with the recordings, their cards and the scenarios.

    It is the one that WORKBENCH_DATASETS names, else the repository's own. UnknownDataset tells where to get
    it.
    """
    named = os.environ.get(ENVIRONMENT)
    folder = Path(named) if named else _OWN_FOLDER
    if not (folder / SCENARIOS).is_dir() and not any(folder.glob(f"*{CARD_SUFFIX}")):
        where = f"{ENVIRONMENT}={named} holds none" if named else "they are not installed with the package"
        raise UnknownDataset(
            f"no datasets: {where}; take the folder 'datasets' of the workbench's repository and set "
            f"{ENVIRONMENT} to it"
        )
    return folder


def find(name: str) -> Path:
    """Find the recording of a dataset; UnknownDataset tells the nearest name, or what is missing."""
    path = find_card(name).with_suffix(SUFFIX)
    if not path.is_file():
        raise UnknownDataset(
            f"dataset {name} has a card and no recording; record it again with "
            f"`workbench datasets rebuild {name}`"
        )
    return path


def find_trace(text: str) -> Path:
    """Find a trace by its path, or a dataset's by its name; UnknownDataset if it is neither."""
    path = Path(text)
    if path.is_file():
        return path
    if path.suffix or path.name != text:
        what = "it is a folder" if path.is_dir() else "no such file"
        raise UnknownDataset(f"{text}: {what}; name a trace, or a dataset of `workbench datasets`")
    return find(text)


def find_card(name: str) -> Path:
    """Find the card of a dataset; UnknownDataset tells the nearest name."""
    folder = datasets_folder()
    path = folder / f"{name}{CARD_SUFFIX}"
    if Path(name).name != name or not path.is_file():
        known = [card.stem for card in sorted(folder.glob(f"*{CARD_SUFFIX}"))]
        raise UnknownDataset(describe_unknown("dataset", name, known))
    return path
