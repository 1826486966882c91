"""The folder that keeps a live experiment or study: looked at and made before anything is measured."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from workbench.errors import BadParameter, WrongResults

# What is in a folder that holds results already, and what that is.
_HELD = {
    "study.json": "a live study",
    "experiment.json": "a live experiment",
    "plan.json": "a comparison or sweep",
    "trials": "a comparison or sweep",
    "results.parquet": "a comparison or sweep",
}


def prepare_folder(path: str | os.PathLike[str], result: str) -> Path:
    """See that results can be kept there and that none are lost by it; the last folder of the path is made.

    A live experiment cannot go on where another one ended. So a former `result` (experiment.json) stays
    beside the new one, as experiment.1.json, experiment.2.json and so on.

    Raises
    ------
    BadParameter
        If it is a file or may not be written, or the folder above it is missing.
    WrongResults
        If results of another kind are there.
    """
    folder = Path(path)
    if not folder.parent.is_dir():
        raise BadParameter(f"{folder.parent}: no such folder; make it first")
    try:
        folder.mkdir(exist_ok=True)
    except FileExistsError:
        raise BadParameter(f"{folder}: it is no folder; name a folder") from None
    except OSError as error:
        raise BadParameter(f"{folder}: it cannot be made ({error.strerror}); give another folder") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadParameter(f"{folder}: it may not be written; give another folder")
    for name, what in _HELD.items():
        if name != result and (folder / name).exists():
            raise WrongResults(f"{folder}: it holds results of {what} ({name}); give another folder")
    if (former := folder / result).exists():
        places = (former.with_suffix(f".{number}{former.suffix}") for number in itertools.count(1))
        former.rename(next(place for place in places if not place.exists()))
    return folder
