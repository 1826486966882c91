"""Traces that the panel offers for a replay: datasets, and files in the notebook's folder."""

from __future__ import annotations

from pathlib import Path

from workbench.datasets import find, known_datasets
from workbench.errors import WorkbenchError
from workbench.panel.protocol import TraceChoice
from workbench.traces import SUFFIX

MAXIMUM_FILES = 50


def name_trace(path: Path) -> str:
    """How the panel calls a trace: by its dataset's name, a relative path, or the path."""
    try:
        if path.stem in known_datasets() and find(path.stem).samefile(path):
            return path.stem
    except (WorkbenchError, OSError):
        pass
    return str(path)


def find_traces() -> list[TraceChoice]:
    """What there is now: datasets by name, then the newest files first."""
    return [*_find_datasets(), *_find_files()]


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
