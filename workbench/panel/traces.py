"""Traces that the panel offers for a replay: datasets, and files in the notebook's folder."""

from __future__ import annotations

import time
from pathlib import Path

from workbench.datasets import find, known_datasets
from workbench.errors import WorkbenchError
from workbench.panel.messages import TraceChoice
from workbench.traces import SUFFIX

INTERVAL_S = 3.0
MAXIMUM_FILES = 50


def name_trace(path: Path) -> str:
    """How the panel calls a trace: by its dataset's name, a relative path, or the path."""
    try:
        if path.stem in known_datasets() and find(path.stem).samefile(path):
            return path.stem
    except (WorkbenchError, OSError):
        pass
    return str(path)


class TraceList:
    """What there is now; looked for now and then."""

    def __init__(self) -> None:
        self._until_s = 0.0
        self._found: list[TraceChoice] = []

    def find(self) -> list[TraceChoice]:
        """Value and label of each: datasets by name, then the newest files first."""
        now_s = time.monotonic()
        if now_s >= self._until_s:
            self._until_s = now_s + INTERVAL_S
            self._found = [*_find_datasets(), *_find_files()]
        return self._found


def _find_datasets() -> list[TraceChoice]:
    try:
        cards = known_datasets()
    except WorkbenchError:
        return []
    return [{"value": name, "label": card.help} for name, card in cards.items()]


def _find_files() -> list[TraceChoice]:
    dated = []
    for path in Path().glob(f"*{SUFFIX}"):
        try:
            dated.append((path.stat().st_mtime_ns, path))
        except OSError:  # it is gone again
            continue
    newest = sorted(dated, reverse=True)[:MAXIMUM_FILES]
    return [{"value": str(path), "label": "in this folder"} for _, path in newest]
