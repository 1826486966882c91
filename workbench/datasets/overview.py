"""The table of all datasets in the folder's README, made from their cards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from workbench.datasets.card import Card
from workbench.units import format_rough

FILE = "README.md"
_BEGIN = "<!-- made from the cards by `workbench datasets rebuild` -->\n"
_END = "<!-- end -->\n"
_COLUMNS = (
    "dataset",
    "what ran",
    "events",
    "threads",
    "freed by another",
    "live at most",
    "file",
    "bytes/event",
)
_RULE = "| --- | --- |" + " ---: |" * (len(_COLUMNS) - 2)


def render_overview(cards: Iterable[Card]) -> str:
    """A Markdown table of datasets, a row each, and what they come to together."""
    shown = list(cards)
    rows = [f"| {' | '.join(_COLUMNS)} |", _RULE]
    rows += [f"| {' | '.join(_describe(card))} |" for card in shown]
    events, file_bytes = sum(card.events for card in shown), sum(card.file_bytes for card in shown)
    size, mean = format_rough(file_bytes, "bytes"), f"{file_bytes / max(1, events):.2f}"
    rows += [
        "",
        f"{len(shown)} recordings, {events:,} events, {size}: {mean} bytes an event.",
    ]
    return "\n".join(rows) + "\n"


def replace_overview(text: str, cards: Iterable[Card]) -> str:
    """A README's text with this table; as it was if it has no place for one."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        return text
    return f"{before}{begin}\n{render_overview(cards)}\n{end}{after}"


def update_overview(folder: Path, cards: Iterable[Card]) -> None:
    """Bring a folder's README up to date, if it has one."""
    path = folder / FILE
    if path.is_file():
        path.write_text(replace_overview(path.read_text(encoding="utf-8"), cards), encoding="utf-8")


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
