"""Where the datasets lie. They are part of the repository and not of the installed package."""

from __future__ import annotations

import os
from pathlib import Path

from workbench.errors import UnknownDataset

ENVIRONMENT = "WORKBENCH_DATASETS"
_OWN_FOLDER = Path(__file__).resolve().parents[2] / "datasets"
SCENARIOS = "scenarios"
CARD_SUFFIX = ".toml"


def datasets_folder() -> Path:
    """Folder with the recordings, their cards and the scenarios.

    The one that WORKBENCH_DATASETS names, else the repository's own.

    Raises
    ------
    UnknownDataset
        If there is none, with where to get it.
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
