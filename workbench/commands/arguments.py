"""Options and arguments that several commands have, and how settings are read from them.

What cannot be understood raises `BadParameter`, `UnknownTunable` or `OutOfRange`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.decorators import FC

from workbench.allocators import DEFAULT_ALLOCATOR, Allocator
from workbench.commands.completion import complete_allocator, complete_tunable
from workbench.control import Tunable, Value
from workbench.errors import BadParameter, UnknownTunable, describe_unknown


class PidType(click.ParamType[int]):
    """The number of a process."""

    name = "pid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        text = str(value)
        if not (text.isascii() and text.isdecimal() and int(text) > 0):
            self.fail(f"'{text}' is no pid: give the number of a process", param, ctx)
        return int(text)


class PlaceType(click.Path):
    """A path, which an empty text is not: it would mean the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it."""
        if not os.fspath(value):
            self.fail("'' is no path: name a file or folder", param, ctx)
        return super().convert(value, param, ctx)


def path_option(*names: str, help: str, metavar: str = "FILE") -> Callable[[FC], FC]:  # noqa: A002 (as click has it)
    """An option for a file, or for a folder if `metavar` says so, which a shell completes."""
    return click.option(*names, metavar=metavar, type=PlaceType(path_type=Path), help=help)


allocator_option = click.option(
    "--allocator",
    "allocator_name",
    default=DEFAULT_ALLOCATOR,
    show_default=True,
    metavar="A",
    shell_complete=complete_allocator,
    help="See `workbench allocators`.",
)
kind_option = click.option(
    "--kind",
    metavar="KIND",
    help="Kind of control block, where the process has several, as `workbench ps` shows it.",
)
set_option = click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=complete_tunable,
    help="Start with this value of a tunable; repeatable.",
)
settings_option = path_option(
    "--settings",
    "settings_path",
    help="Start with the values of an exported file; --set overrides them.",
)
#: How much of a table is shown.
rows_option = click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    metavar="N",
    help="Number of rows in each table.",
)
parameters_option = click.option(
    "--param",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the workload; repeatable.",
)
keep_results_option = path_option(
    "--output", metavar="FOLDER", help="Keep the results here; the same command resumes where it stopped."
)
keep_pythonmalloc_option = click.option(
    "--keep-pythonmalloc",
    is_flag=True,
    help="Let CPython keep its own allocator for small objects. Otherwise PYTHONMALLOC=malloc is set, "
    "unless the environment has a value.",
)
command_argument = click.argument(
    "command", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED
)
#: Settings of a command that takes `command_argument`: what follows is the other program's.
BEFORE_A_COMMAND = {"ignore_unknown_options": True, "allow_interspersed_args": False}
probe_option = click.option(
    "--probe",
    "probes",
    multiple=True,
    metavar="NAME:UNIT=SOURCE",
    help="Also show a figure of the program, or one of the system by its name, such as process.resident. "
    "SOURCE: a command that prints a number, file:PATH or http://127.0.0.1:PORT/PATH#METRIC. With "
    "NAME:UNIT,counter=SOURCE its rate. Repeatable.",
)


class FiniteRange(click.FloatRange):
    """A range of numbers, without NaN, which no comparison refuses."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a number and see that it is in the range."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number


_LIVE_OPTIONS = (
    click.option(
        "--probe",
        "probes",
        multiple=True,
        required=True,
        metavar="PROBE",
        help="What is judged: a name such as process.resident, a metric of the process, or "
        "NAME:UNIT,higher=SOURCE (also lower and counter). SOURCE: a command that prints a number, "
        "file:PATH or http://127.0.0.1:PORT/PATH#METRIC. Repeatable.",
    ),
    click.option(
        "--blocks", type=int, default=40, show_default=True, metavar="N", help="Number of time blocks; even."
    ),
    click.option(
        "--block-seconds",
        "block_s",
        type=FiniteRange(0.01, 86400),
        default=20.0,
        show_default=True,
        metavar="S",
        help="Length of a block, with its wash-out.",
    ),
    click.option(
        "--wash-out",
        "wash_out_s",
        type=FiniteRange(0, 86400),
        default=2.0,
        show_default=True,
        metavar="S",
        help="The first part of each block, which is not measured.",
    ),
    click.option(
        "--looks",
        type=int,
        default=1,
        show_default=True,
        metavar="N",
        help="Number of analyses, the last one included; it ends once every verdict is decided.",
    ),
    click.option(
        "--guard",
        "guards",
        multiple=True,
        metavar="PROBE<LIMIT",
        help="End at once, and restore A, when this no longer holds; also PROBE>LIMIT. Repeatable.",
    ),
    click.option(
        "--period",
        "period_s",
        type=FiniteRange(0.01, 3600),
        metavar="S",
        help="Time between two readings of a probe; by default each probe's own.",
    ),
    click.option(
        "--seed", type=int, metavar="N", help="Determines the order of the blocks; drawn by default."
    ),
)


def live_options(command: FC) -> FC:
    """Options of commands that do live experiments: what is judged, and the fields of their plan."""
    for option in reversed(_LIVE_OPTIONS):
        command = option(command)
    return command


def live_setting_option(name: str, text: str) -> Callable[[FC], FC]:
    """An option for tunables of a running process."""
    return click.option(name, multiple=True, metavar="NAME=VALUE", shell_complete=complete_tunable, help=text)


def split_assignments(texts: Iterable[str]) -> dict[str, str]:
    """Split name=value arguments."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise BadParameter(f"'{text}' is not name=value; give a name, =, and a value such as 60")
        if name.strip() in found:
            raise BadParameter(f"'{name.strip()}' stands twice; give it once")
        found[name.strip()] = value.strip()
    return found


def parse_parameters(texts: Iterable[str]) -> dict[str, float]:
    """Read name=value arguments as numbers."""
    values: dict[str, float] = {}
    for name, text in split_assignments(texts).items():
        try:
            values[name] = float(text)
        except ValueError:
            raise BadParameter(f"{name}: '{text}' is not a number") from None
    return values


def parse_assignments(texts: Iterable[str], tunables: Mapping[str, Tunable]) -> dict[str, Value]:
    """Read name=value arguments as checked values."""
    parts = split_assignments(texts)
    for name in parts:
        if name not in tunables:
            raise UnknownTunable(describe_unknown("tunable", name, tunables))
    return {name: tunables[name].parse(text) for name, text in parts.items()}


def read_settings(
    settings_path: Path | None, assignments: Sequence[str], allocator: Allocator
) -> dict[str, Value]:
    """Read --settings, with the values of --set on top."""
    values: dict[str, Value] = {}
    if settings_path is None and not assignments:
        return values
    if settings_path is not None:
        from workbench.export import read_defaults  # slow to import, and seldom needed

        values |= read_defaults(settings_path, allocator=allocator).values
    return values | parse_assignments(assignments, allocator.block.tunables)
