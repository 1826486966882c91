"""How commands answer: with tables for people, with JSON for programs."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import click

from workbench.display import Displayed
from workbench.table import Table, lay_out

_DEFAULT_COLUMNS = 80

STATUS_FAILED = 1
STATUS_WRONG_INPUT = 2

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Answer:
    """What a command answers.

    Parameters
    ----------
    value : object
        What `--json` prints.
    *shown : str or Table
        What people read; by default, the table of the value.
    notes : iterable of str
        Lines that people read on standard error.
    status : int
        Exit status.
    """

    def __init__(
        self, value: object, *shown: str | Table, notes: Iterable[str] = (), status: int = 0
    ) -> None:
        self.value = value
        self.shown = [value.to_table()] if isinstance(value, Displayed) and not shown else shown
        self.notes = notes
        self.status = status

    def show(self, as_json: bool, *, err: bool = False) -> None:
        """Print the answer, with `err` all of it on standard error."""
        if as_json:
            print_json(self.value, err=err)
            return
        for part in self.shown:
            if isinstance(part, Table):
                _show_table(part, err=err)
            else:
                click.echo(part, err=err)
        for note in self.notes:
            click.echo(note, err=True)


def answering(function: Callable[..., Answer]) -> Callable[..., int | None]:
    """Give a command the option --json, print what it answers, and end with the answer's status.

    A group answers where no subcommand follows; else its --json counts for the subcommand.
    """

    @json_option
    @functools.wraps(function)
    def command(*arguments: Any, as_json: bool, **options: Any) -> int | None:
        context = click.get_current_context()
        if context.invoked_subcommand is not None:
            context.default_map = {context.invoked_subcommand: {"as_json": True}} if as_json else None
            return None
        answer = function(*arguments, **options)
        answer.show(as_json)
        return answer.status

    return command


def pick(value: object, names: str) -> dict[str, object]:
    """Attributes of a value by their names, which stand with blanks between."""
    return {name: getattr(value, name) for name in names.split()}


def print_json(value: object, *, err: bool = False) -> None:
    """One line of JSON; what is no number becomes null."""
    click.echo(json.dumps(_simplify(value), ensure_ascii=False, allow_nan=False), err=err)


def _show_table(table: Table, *, err: bool) -> None:
    """Print a table that fits the terminal, with caption and notes; into a file, as wide as its content."""
    width = _terminal_columns(sys.stderr if err else sys.stdout)
    layout = lay_out(table, width)
    lines = list(layout.lines)
    if lines and not layout.is_stacked and width is not None:
        lines[0] = click.style(lines[0], bold=True)
    if layout.left_out:
        note = f"(a wider terminal shows: {', '.join(layout.left_out)})"
        lines.append(textwrap.fill(note, width or _DEFAULT_COLUMNS))
    for line in [*filter(None, [table.caption]), *lines, *table.notes]:
        click.echo(line, err=err)


def _terminal_columns(stream: IO[str]) -> int | None:
    """Width of the terminal that a stream goes to; None if it goes to none."""
    if not stream.isatty():
        return None
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _DEFAULT_COLUMNS
    except OSError:
        return _DEFAULT_COLUMNS


def _simplify(value: object) -> Any:
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
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        return _simplify(value.tolist())
    return value
