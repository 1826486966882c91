"""Which datasets there are; each found, loaded and verified by name, and all in the table of the README."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from workbench.datasets.card import Card, compare_with_trace
from workbench.traces import SUFFIX, Trace
from workbench.traces.places import CARD_SUFFIX, datasets_folder, find, find_card
from workbench.units import format_rough

OVERVIEW = "README.md"
_BEGIN = "<!-- made from the cards by `workbench datasets rebuild` -->\n"
_END = "<!-- end -->\n"
_HEADER = (
    "| dataset | what ran | events | threads | freed by another | live at most | file | bytes/event |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
)


def known_datasets() -> Mapping[str, Card]:
    """The cards of all datasets, by name.

    UnknownDataset or DamagedDataset if there are no datasets here, or a card cannot be read.
    """
    return {path.stem: Card.read(path) for path in sorted(datasets_folder().glob(f"*{CARD_SUFFIX}"))}


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


def verify(name: str) -> list[str]:
    """Recompute what a dataset's card says from its recording, checksums first: a line a thing that is wrong.

    UnknownDataset or DamagedDataset if there is none of that name, or its card cannot be read.
    """
    path = find_card(name)
    return compare_with_trace(Card.read(path), path.with_suffix(SUFFIX))


def render_overview(cards: Iterable[Card]) -> str:
    """A Markdown table of datasets, a row each, and what they come to together."""
    shown = list(cards)
    rows = "".join(f"| {' | '.join(_describe(card))} |\n" for card in shown)
    events, file_bytes = sum(card.events for card in shown), sum(card.file_bytes for card in shown)
    size, mean = format_rough(file_bytes, "bytes"), f"{file_bytes / max(1, events):.2f}"
    return f"{_HEADER}{rows}\n{len(shown)} recordings, {events:,} events, {size}: {mean} bytes an event.\n"


def replace_overview(text: str, cards: Iterable[Card]) -> str:
    """A README's text with this table; as it was if it has no place for one."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        return text
    return f"{before}{begin}\n{render_overview(cards)}\n{end}{after}"


def update_overview() -> None:
    """Bring the README of the folder of datasets up to date, if it has one."""
    path = datasets_folder() / OVERVIEW
    if path.is_file():
        text = replace_overview(path.read_text(encoding="utf-8"), known_datasets().values())
        path.write_text(text, encoding="utf-8")


def _describe(card: Card) -> tuple[str, ...]:
    return (
        f"[`{card.name}`]({card.name}.toml)",
        card.help,
        f"{card.events:,}",
        str(card.threads),
        f"{card.cross_thread_percent:.1f} %" if card.threads > 1 else "–",
        format_rough(card.peak_live_bytes, "bytes"),
        format_rough(card.file_bytes, "bytes"),
        f"{card.file_bytes / max(1, card.events):.2f}",
    )
