"""Works that are programs of the user's, as somebody types them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from workbench.errors import BadParameter
from workbench.experiments.comparison_plan import Work
from workbench.processes.figures import Figure
from workbench.processes.program import split_command
from workbench.processes.runs import Run
from workbench.processes.server import make_server


def make_programs(
    commands: Sequence[str],
    names: Sequence[str] = (),
    *,
    server: str | None = None,
    by_shell: bool | None = None,
    prepare: str | None = None,
    timeout_s: float | None = None,
    figures: Sequence[str | Figure] = (),
    ignore_failure: bool | None = None,
    environment: Mapping[str, str] | None = None,
    **of_server: Any,
) -> tuple[Work, ...]:
    """Works of commands that run in this folder, or are clients of a server.

    Without a name of its own, each has its program's, or all of its text where another has that. BadParameter
    if something cannot be read, or belongs to a command or a server that is not given.
    """
    if server is None and any(of_server.values()):
        raise BadParameter(f"{_list_given(of_server)} can only be given with a --server")
    about: dict[str, object] = {
        "command_name": names,
        "shell": by_shell,
        "prepare": prepare,
        "timeout": timeout_s,
        "figure": figures,
        "ignore_failure": ignore_failure,
        "environment": environment,
        "server": server,
    }
    if not commands and any(about.values()):
        raise BadParameter(f"{_list_given(about)} can only be given with a --command")
    if len(names) > len(commands):
        raise BadParameter(f"there are {len(names)} names for {len(commands)} commands; give one for each")
    by_shell = bool(by_shell)
    base = Run(
        "",
        folder=Path.cwd(),
        prepare=split_command(prepare, by_shell=by_shell) if prepare is not None else (),
        timeout_s=timeout_s,
        ignores_failure=bool(ignore_failure),
        figures=tuple(one if isinstance(one, Figure) else Figure.parse(one) for one in figures),
        server=None if server is None else make_server(server, by_shell=by_shell, **of_server),
        environment=environment or {},
    )
    programs = [Path(split_command(text)[0]).name for text in commands]
    works = []
    for number, (text, program) in enumerate(zip(commands, programs, strict=True)):
        name = names[number] if number < len(names) else text if programs.count(program) > 1 else program
        works.append(Work(name, replace(base, workload=name, command=split_command(text, by_shell=by_shell))))
    return tuple(works)


def _list_given(values: Mapping[str, object]) -> str:
    given = [name for name, value in values.items() if value]
    return ", ".join(f"--{name.removesuffix('_s').replace('_', '-')}" for name in given)
