"""Values that show themselves: a line in a terminal; in a notebook a table, with a figure where there is one.

What may be drawn, and how, only the rooms above know: the front door enters it in `PICTURES`.
"""

from __future__ import annotations

import html
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from workbench.table import Table, lay_out

T = TypeVar("T")

_CELL = "padding:2px 8px;vertical-align:top;text-align:"

#: What draws a value in a notebook, by the name of its class: it gives a figure, or None if there is none.
PICTURES: dict[str, Callable[[Any], object]] = {}


class Displayed(ABC):
    """A value that shows itself as its table."""

    @abstractmethod
    def to_table(self) -> Table:
        """What a notebook shows, and a command prints."""

    def _repr_html_(self) -> str:
        return render_html(self.to_table())

    def _ipython_display_(self) -> None:
        draw = PICTURES.get(type(self).__name__)
        display = notebook_display()
        if draw is None or display is None:
            raise NotImplementedError  # IPython then takes one of the other forms
        figure = draw(self)
        if figure is not None:
            display(figure)
        display({"text/html": self._repr_html_(), "text/plain": repr(self)}, raw=True)


class Listing(list[T], Displayed):
    """A list that shows itself as a table, in a terminal too.

    Parameters
    ----------
    items : iterable
    table : Table
        A row an item.
    """

    def __init__(self, items: Iterable[T], table: Table) -> None:
        super().__init__(items)
        self._table = table

    def to_table(self) -> Table:
        """A row an item."""
        return self._table

    def __repr__(self) -> str:
        try:
            width = os.get_terminal_size().columns or None
        except OSError:
            width = None
        return "\n".join(lay_out(self._table, width).lines)


def notebook_display() -> Callable[..., Any] | None:
    """What shows a value below the cell that is running; None outside a notebook."""
    ipython = sys.modules.get("IPython")  # a notebook has imported it
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display: Callable[..., Any] = ipython.display.display  # type: ignore[union-attr]
    return display


def render_html(table: Table) -> str:
    """A table as HTML, without the columns that are empty everywhere."""
    kept = [
        number
        for number, name in enumerate(table.columns)
        if name and (not table.rows or any(row[number] for row in table.rows))
    ]
    lines = [f"<p>{html.escape(table.caption)}</p>"] if table.caption else []
    lines += [
        "<table>",
        f"<tr>{''.join(_cell('th', table, number, table.columns[number]) for number in kept)}</tr>",
    ]
    lines += [
        f"<tr>{''.join(_cell('td', table, number, row[number]) for number in kept)}</tr>"
        for row in table.rows
    ]
    lines.append("</table>")
    return "\n".join([*lines, *(f"<p>{html.escape(note)}</p>" for note in table.notes)])


def _cell(tag: str, table: Table, number: int, text: str) -> str:
    side = "right" if table.columns[number] in table.right else "left"
    return f'<{tag} style="{_CELL}{side}">{html.escape(text)}</{tag}>'
