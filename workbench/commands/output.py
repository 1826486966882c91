"""How commands print: tables for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_UNLIMITED_COLUMNS = 10_000
_LAST_COLUMN_LEAST = 14

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def print_json(value: object, *, err: bool = False) -> None:
    """One line of JSON; what is no number becomes null."""
    click.echo(json.dumps(_simplify(value), ensure_ascii=False, allow_nan=False), err=err)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    optional: int = 0,
    err: bool = False,
) -> None:
    """Print a table as wide as the terminal; into a file or pipe, as wide as its content.

    The last column takes what room is left. Where that is too little, it is left out if it is one of
    the `optional` last ones, and then the one before.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    console = _make_console(stderr=err)
    if console.is_terminal:
        kept = len(columns)
        while kept > len(columns) - optional and not _has_room(console, columns[: kept - 1], cells):
            kept -= 1
        console.print(_make_table(columns[:kept], cells, right))
        return
    text = io.StringIO()
    _make_console(file=text, width=_UNLIMITED_COLUMNS).print(_make_table(columns, cells, right))
    for line in text.getvalue().splitlines():
        click.echo(line.rstrip(), err=err)


def _make_console(**options: Any) -> Console:
    return Console(highlight=False, markup=False, emoji=False, **options)


def _has_room(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether there is room for another column to the right of these."""
    options = console.options.update(width=_UNLIMITED_COLUMNS)
    needed = Measurement.get(console, options, _make_table(columns, rows, ())).maximum
    return console.width - needed >= _LAST_COLUMN_LEAST


def _make_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column in right else "left"
        is_last = number == len(columns) - 1
        table.add_column(column, justify=justify, no_wrap=not is_last, overflow="fold")
    for row in rows:
        table.add_row(*row[: len(columns)])
    return table


def _simplify(value: object) -> Any:
    if isinstance(value, np.ndarray):
        return _simplify(value.tolist())
    if isinstance(value, np.generic):
        return _simplify(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _simplify(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_simplify(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: _simplify(getattr(value, field.name)) for field in fields}
    return value
