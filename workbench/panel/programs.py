"""Programs of the user's as works: a command that is typed, or one of the works of a plan."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path

from workbench.errors import BadParameter, WorkbenchError, describe_unknown
from workbench.experiments.comparison_plan import Work
from workbench.experiments.plan_file import read_programs
from workbench.panel.protocol import Choice
from workbench.processes import Run
from workbench.processes.program import split_command

#: The workload of the form that stands for any program.
COMMAND = "command"
COMMAND_HELP = (
    "A program of yours, or a plan that names one, such as examples/redis.toml. "
    "A server of a plan runs with its client, again and again, until Stop."
)
# Where plans are looked for: the working folder, and the examples of a checkout.
_FOLDERS = (Path(), Path("examples"), Path("../examples"))
_MOST_PLANS = 50


def read_program(text: str) -> Run:
    """The run that a text stands for: FILE.toml, FILE.toml#NAME, or a command that runs in this folder.

    BadParameter or WrongPlan says what is wrong.
    """
    path, _, name = text.strip().partition("#")
    if not path.endswith(".toml"):
        words = split_command(text)
        return Run(Path(words[0]).name, command=words, folder=Path.cwd())
    works = {work.name: work.run for work in read_programs(Path(path))}
    if not works:
        raise BadParameter(f"{path}: none of its works is a command or a server")
    if not name and len(works) > 1:
        raise BadParameter(
            f"{path} has several works: {', '.join(works)}; choose one, as {path}#{next(iter(works))}"
        )
    if name and name not in works:
        raise BadParameter(f"{path}: {describe_unknown('work', name, works)}")
    return works[name or next(iter(works))]


def find_programs() -> list[Choice]:
    """The works of the plans at hand, as `read_program` reads them."""
    found: list[Choice] = []
    paths = [path for folder in _FOLDERS for path in sorted(folder.glob("*.toml"))]
    for path in paths[:_MOST_PLANS]:
        try:
            works = _read_plan(path, path.stat().st_mtime_ns)
        except (WorkbenchError, OSError):  # it is another file, or gone again
            continue
        for work in works:
            text = str(path) if len(works) == 1 else f"{path}#{work.name}"
            server = work.run.server
            found.append(Choice(text, shlex.join(server.command if server else work.run.command)[:80]))
    return found


@functools.lru_cache(maxsize=2 * _MOST_PLANS)
def _read_plan(path: Path, time_ns: int) -> list[Work]:  # noqa: ARG001 (it is read anew when it changed)
    return read_programs(path)
