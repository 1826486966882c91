"""Records a dataset again: runs its scenario, keeps one process's trace, writes its card."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from workbench.datasets.card import LICENCE, Card, measure_trace
from workbench.datasets.catalogue import update_overview
from workbench.datasets.scenario import Scenario, describe_debian, get_scenario, read_package_versions
from workbench.errors import BadParameter, WorkerFailed
from workbench.processes.private_folder import open_private_folder
from workbench.processes.process_trace import RecordedTrace
from workbench.processes.trace_recorder import record
from workbench.traces import SUFFIX, Site, Trace, TraceWriter
from workbench.traces.places import CARD_SUFFIX, datasets_folder

# Small rather than fast: it is written once and stays in the repository.
_LEVEL = 19
_TAIL_BYTES = 4096
# Said of the machine that recorded, and of no use to anybody else.
_PRIVATE_VERSIONS = ("kernel",)


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
