"""Tables that fit a terminal: which columns stay, how wide each is, and what is cut, visibly.

A name or a number is never cut. Where a terminal is too narrow for all columns, prose is wrapped and texts
that may be shortened end in an ellipsis; then the columns that matter least are left out, and a line below
the table names them; and where even the rest has no room, each row becomes lines of "column  value".
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

_GAP = "  "
_ELLIPSIS = "…"
# A column of prose or of shortened texts is of no use below this.
_LEAST_WIDTH = 14


@dataclass(frozen=True)
class Table:
    """Cells, and what may be done to them where room is short.

    Parameters
    ----------
    columns : sequence of str
    rows : sequence of sequence of str
    right : sequence of str
        Columns of numbers, flush right.
    wrapped : sequence of str
        Columns of prose, which may go on in the next line.
    shortened : sequence of str
        Columns of which only the beginning may be shown, such as command lines.
    dropped : sequence of str
        Columns that may be left out, the least important first.
    caption : str
        What stands above it.
    notes : sequence of str
        What stands below it, a line each.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str] = ()
    wrapped: Sequence[str] = ()
    shortened: Sequence[str] = ()
    dropped: Sequence[str] = ()
    caption: str = ""
    notes: Sequence[str] = ()

    @classmethod
    def of(
        cls, items: Iterable[Any], columns: Mapping[str, Callable[[Any], object]], **options: Any
    ) -> Table:
        """A table with a row for each item; the function of a column gives its cell."""
        rows = [[str(read(item)) for read in columns.values()] for item in items]
        return cls(tuple(columns), rows, **options)


@dataclass(frozen=True)
class Layout:
    """A table as lines; the first is the header, unless the rows are `is_stacked`, a column a line."""

    lines: Sequence[str]
    left_out: Sequence[str] = ()
    is_stacked: bool = False


def lay_out(table: Table, width: int | None) -> Layout:
    """Arrange a table in a terminal of so many columns; None: as wide as its content."""
    natural = {name: _measure(table, number) for number, name in enumerate(table.columns)}
    if width is None:
        return Layout(_write_rows(table, natural))
    flexible = {*table.wrapped, *table.shortened}
    least = {
        name: min(natural[name], max(_LEAST_WIDTH, text_width(name))) if name in flexible else natural[name]
        for name in table.columns
    }
    kept = list(table.columns)
    for name in table.dropped:
        if _sum_up(least[each] for each in kept) <= width:
            break
        kept.remove(name)
    if _sum_up(least[name] for name in kept) > width:
        return Layout(_stack_rows(table, width), is_stacked=True)
    widths = {name: least[name] for name in kept}
    spare = width - _sum_up(widths.values())
    for name in kept:  # a column that needs little leaves the rest to those after it
        more = min(spare, natural[name] - widths[name])
        widths[name] += more
        spare -= more
    return Layout(_write_rows(table, widths), [name for name in table.columns if name not in kept])


def text_width(text: str) -> int:
    """Columns that a text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def shorten(text: str, width: int) -> str:
    """The beginning of a text that fits, with an ellipsis if it is not the whole."""
    if text_width(text) <= width:
        return text
    kept = text
    while kept and text_width(kept) > width - 1:
        kept = kept[:-1]
    return kept.rstrip() + _ELLIPSIS


def _measure(table: Table, number: int) -> int:
    return max(text_width(table.columns[number]), *(text_width(row[number]) for row in table.rows), 0)


def _sum_up(widths: Iterable[int]) -> int:
    each = list(widths)
    return sum(each) + len(_GAP) * (len(each) - 1)


def _write_rows(table: Table, widths: dict[str, int]) -> list[str]:
    """All lines, with the columns that have a width."""
    places = [(number, name) for number, name in enumerate(table.columns) if name in widths]
    lines = []
    for row in [table.columns, *table.rows]:
        cells = [_fit(table, name, row[number], widths[name]) for number, name in places]
        for parts in zip_longest(*cells, fillvalue=""):
            line = [
                _pad(part, widths[name], name in table.right)
                for part, (_, name) in zip(parts, places, strict=True)
            ]
            lines.append(_GAP.join(line).rstrip())
    return lines


def _fit(table: Table, name: str, cell: str, width: int) -> list[str]:
    if text_width(cell) <= width:
        return [cell]
    return _wrap(cell, width) if name in table.wrapped else [shorten(cell, width)]


def _wrap(text: str, width: int) -> list[str]:
    # Two columns a letter, where there are wide ones: textwrap counts letters.
    letters = width if text_width(text) == len(text) else max(1, width // 2)
    return textwrap.wrap(text, letters, break_on_hyphens=False) or [""]


def _pad(text: str, width: int, is_right: bool) -> str:
    space = " " * (width - text_width(text))
    return space + text if is_right else text + space


def _stack_rows(table: Table, width: int) -> list[str]:
    """Each row as lines of "column  value", with an empty line between rows; a value may go on below."""
    label = max(text_width(name) for name in table.columns)
    indent = label + len(_GAP) if label + len(_GAP) + _LEAST_WIDTH <= width else len(_GAP)
    lines: list[str] = []
    for row in table.rows:
        lines += [""] if lines else []
        for name, cell in zip(table.columns, row, strict=True):
            if not cell.strip():
                continue
            head = _pad(name, label, is_right=False) + _GAP
            if name in table.shortened:
                cell = shorten(cell.strip(), max(1, width - indent))  # noqa: PLW2901, as it is shown
            if text_width(head + cell.strip()) <= width:
                lines.append(head + cell.strip())
            else:
                parts = _wrap(cell.strip(), max(1, width - indent))
                lines += [head + parts.pop(0)] if indent == text_width(head) else [name]
                lines += [" " * indent + part for part in parts]
    return lines
