"""Scenarios, what is run to record a dataset; and recording it again: one process's trace, with its card."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from workbench.datasets.catalogue import LICENCE, Card, measure_trace, update_overview
from workbench.errors import (
    BadParameter,
    DamagedDataset,
    MissingProgram,
    UnknownDataset,
    WorkerFailed,
    describe_unknown,
)
from workbench.plain_values import read_value
from workbench.processes.private_folder import open_private_folder
from workbench.processes.process_trace import RecordedTrace
from workbench.processes.trace_recorder import record
from workbench.traces import SUFFIX, Site, Trace, TraceWriter
from workbench.traces.places import CARD_SUFFIX, SCENARIOS, datasets_folder

_FILE = "scenario.toml"
_PACKAGE_STATES = Path("/var/lib/dpkg/status")
_RELEASE = Path("/etc/debian_version")
# The distribution's own programs, whatever the caller's shell would find first.
PROGRAM_PATH = "/usr/bin:/bin"
# Small rather than fast: it is written once and stays in the repository.
_LEVEL = 19
_TAIL_BYTES = 4096
# Said of the machine that recorded, and of no use to anybody else.
_PRIVATE_VERSIONS = ("kernel",)


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a program is given to do.

    Parameters
    ----------
    name, help : str
    program : str
        Whose recording is kept, of all processes that the command starts.
    command : tuple of str
        Run in a new folder with a copy of `folder`.
    programs, files : tuple of str
        What must be installed: names on the path, and files.
    packages : tuple of str
        Debian packages that bring them.
    environment : mapping of str to str
        Besides a plain one.
    folder : Path
        The command's files.
    """

    name: str
    help: str
    program: str
    command: tuple[str, ...]
    programs: tuple[str, ...]
    files: tuple[str, ...] = ()
    packages: tuple[str, ...]
    environment: Mapping[str, str] = {}
    folder: Path

    def check_programs(self) -> None:
        """See whether its programs and files are there; MissingProgram tells what to install."""
        missing = sorted(name for name in self.programs if shutil.which(name, path=PROGRAM_PATH) is None)
        missing += sorted(name for name in self.files if not Path(name).is_file())
        if missing:
            raise MissingProgram(
                f"{self.name} needs {', '.join(missing)}; apt-get install {' '.join(self.packages)}"
            )

    def plain_environment(self, home: Path) -> dict[str, str]:
        """All variables it runs with: nothing of the caller's, so that it does the same everywhere."""
        return {
            "PATH": PROGRAM_PATH,
            "HOME": str(home),
            "TMPDIR": str(home),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            **self.environment,
        }


def scenarios() -> dict[str, Scenario]:
    """All scenarios by name.

    UnknownDataset or DamagedDataset if there are no datasets, or a scenario's file is wrong.
    """
    folders = sorted(path.parent for path in (datasets_folder() / SCENARIOS).glob(f"*/{_FILE}"))
    return {folder.name: _read_scenario(folder) for folder in folders}


def get_scenario(name: str) -> Scenario:
    """Find one scenario; UnknownDataset tells the nearest name. Other errors are those of `scenarios`."""
    known = scenarios()
    if name not in known:
        raise UnknownDataset(describe_unknown("dataset", name, known))
    return known[name]


def describe_debian() -> str:
    """Debian's release and the architecture, as "Debian 12.11, x86_64"."""
    release = _RELEASE.read_text().strip() if _RELEASE.is_file() else "unknown release"
    return f"Debian {release}, {platform.machine()}"


def read_package_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Versions of the Debian packages that are installed, as dpkg's own file has them."""
    if not _PACKAGE_STATES.is_file():
        return {}
    found: dict[str, str] = {}
    for paragraph in _PACKAGE_STATES.read_text(encoding="utf-8", errors="replace").split("\n\n"):
        lines = [line for line in paragraph.splitlines() if ": " in line and not line.startswith(" ")]
        values = dict(line.split(": ", 1) for line in lines)
        if values.get("Package") in names and values.get("Status", "").endswith(" installed"):
            found[values["Package"]] = values.get("Version", "")
    return {name: found[name] for name in names if name in found}


def _read_scenario(folder: Path) -> Scenario:
    path = folder / _FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return read_value(Scenario, values | {"name": folder.name, "folder": str(folder)}, "the scenario")
    except (ValueError, BadParameter) as error:
        raise DamagedDataset(f"{folder.name}/{_FILE}: it is no scenario ({error})") from None


def rebuild(name: str, output: Path | None = None) -> Path:
    """Run a dataset's scenario under the recorder, and write its recording, whose path it returns, and card.

    Everything happens in a new temporary folder, under a plain environment, on loopback.

    Parameters
    ----------
    name : str
        Name of a scenario.
    output : Path, optional
        Write there, and the card beside it; by default the dataset is replaced, and its row in the
        folder's README.

    Raises
    ------
    UnknownDataset, DamagedDataset, MissingProgram, BadParameter
        If there is no such scenario, a program is not installed, or `output` cannot be.
    WorkerFailed
        If the scenario fails, or its program was not recorded whole.
    """
    scenario = get_scenario(name)
    scenario.check_programs()
    path = output or datasets_folder() / f"{name}{SUFFIX}"
    if path.suffix != SUFFIX or not path.parent.is_dir():
        raise BadParameter(f"{path}: the recording needs a name that ends in {SUFFIX}, in a folder there is")
    with open_private_folder("workbench-dataset-") as scratch:
        folder = scratch.resolve()
        kept = _record(scenario, folder)
        _tidy(kept.path, folder / f"tidy{SUFFIX}", folder, scenario)
        shutil.move(folder / f"tidy{SUFFIX}", path)
    _make_card(scenario, path).write(path.with_suffix(CARD_SUFFIX))
    if output is None:
        update_overview()
    return path


def _record(scenario: Scenario, folder: Path) -> RecordedTrace:
    """Record all processes of the scenario; gives the one that is wanted, the one with most events."""
    work = folder / "work"
    shutil.copytree(scenario.folder, work)
    (folder / "raw").mkdir()
    with (folder / "said").open("wb+") as said, Path(os.devnull).open("rb") as nothing:
        outcome = record(
            scenario.command,
            folder / "raw" / f"main{SUFFIX}",
            environment=scenario.plain_environment(work),
            working_directory=work,
            stdin=nothing.fileno(),
            stdout=said.fileno(),
            stderr=said.fileno(),
        )
        said.seek(0, os.SEEK_END)
        said.seek(max(0, said.tell() - _TAIL_BYTES))
        lines = said.read().decode(errors="replace").strip().splitlines()
    if outcome.exit_code != 0:
        last = f"; it said: {lines[-1]}" if lines else ""
        raise WorkerFailed(f"scenario {scenario.name} ended with {outcome.exit_code}{last}")
    of_program = [trace for trace in outcome.traces if _names(trace) & {scenario.program}]
    if not of_program:
        names = ", ".join(sorted({trace.metadata.program for trace in outcome.traces})) or "none"
        raise WorkerFailed(f"scenario {scenario.name} ran no {scenario.program}; recorded: {names}")
    kept = max(of_program, key=lambda trace: trace.metadata.event_count)
    if not kept.metadata.complete or kept.metadata.lost_events:
        raise WorkerFailed(
            f"scenario {scenario.name}: {scenario.program} was not recorded whole ({kept.metadata.end}); "
            "run it again"
        )
    return kept


def _names(trace: RecordedTrace) -> set[str]:
    """What a process's program is called: its file's name, and by what link it was called."""
    command = trace.metadata.command
    return {trace.metadata.program, *(Path(word).name for word in command[:1])}


def _tidy(source: Path, target: Path, folder: Path, scenario: Scenario) -> None:
    """Write a trace again, smaller, and without what only the recording machine had: paths, numbers."""
    with Trace.open(source) as trace:
        metadata = trace.metadata
        versions = {name: text for name, text in metadata.versions.items() if name not in _PRIVATE_VERSIONS}
        with TraceWriter.open(
            target,
            program=scenario.program,
            command=[_shorten(word, folder) for word in metadata.command],
            date=metadata.date,
            versions=versions | read_package_versions(scenario.packages),
            level=_LEVEL,
        ) as writer:
            writer.add_sites([Site(site.module.rpartition("/")[2], site.offset) for site in trace.sites])
            for chunk in trace.chunks():
                writer.append(chunk)
            writer.close(
                end=metadata.end, unknown_frees=metadata.unknown_frees, lost_events=metadata.lost_events
            )


def _shorten(word: str, folder: Path) -> str:
    """A word of the command without the folder that the scenario ran in."""
    return word.replace(f"{folder / 'work'}/", "").replace(str(folder), ".")


def _make_card(scenario: Scenario, path: Path) -> Card:
    return Card(
        name=scenario.name,
        help=scenario.help,
        scenario=shlex.join(scenario.command),
        environment=dict(scenario.environment),
        debian=describe_debian(),
        licence=LICENCE,
        **measure_trace(path),
    )
