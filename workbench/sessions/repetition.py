"""A recorded session run again: the same workload, seed and changes at the same counts of operations; and its notebook."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from workbench.allocators import get_row, is_tunable, tunables_of
from workbench.control import ControlBlock, Value
from workbench.errors import BadParameter, NoProcess, WorkbenchError
from workbench.output_file import write_output
from workbench.probes import Probe, ProbeReader, read_probe
from workbench.processes import Outcome, Run, Step, Worker, resident_bytes
from workbench.processes.machine import date_now, describe_origin
from workbench.sessions.facts import SessionFacts
from workbench.sessions.recorder import Recorder, Sample
from workbench.sessions.session import Session
from workbench.sessions.store import SessionWriter

SAMPLE_INTERVAL_S = 0.08
FIRST_INTERVAL_S = 0.004
# Counts are published now and then: the last events of a cut recording may lie behind its last count.
CUT_MARGIN_OPERATIONS = 100_000


def read_schedule(session: Session) -> tuple[Step, ...]:
    """The changes of a session as a schedule for the runner.

    What takes effect at start is left out: it was asked of the next one. A schedule that the session itself
    had is part of it.
    """
    spec = session.spec
    tunables = tunables_of([spec.allocator] if spec is not None else [])
    schedule = list(spec.schedule) if spec is not None else []
    for change in session.steps():
        values = {
            name: value
            for name, value in change.after.items()
            if name not in tunables or tunables[name].effect != "start"
        }
        if change.operations is not None and values:
            schedule.append(Step(values, int(change.operations)))
    return tuple(sorted(schedule, key=lambda step: step.at_operations or 0))


def explain_inexactness(session: Session) -> list[str]:
    """Why a repetition cannot be the same event for event; empty if it must be."""
    spec = session.spec
    if spec is None:
        return ["it was a process that was attached to"]
    reasons = []
    if session.facts.is_exploratory:
        reasons.append("it ran inside the kernel's own process, a repetition has one of its own")
    row = get_row(spec.allocator)
    if not row.is_tunable:
        reasons.append(f"allocator {spec.allocator} tells no events")
    if (threads := spec.resolve().threads) != 1:
        reasons.append(f"{threads} threads take turns as the system lets them")
    if not row.is_steady(session.facts.settings):
        why = [f"{name} was not {wanted}" for name, wanted in row.steady.items()]
        reasons.append("it depended on time: " + (", ".join(why) or f"{spec.allocator} always does"))
    elif spec.operations is None:
        reasons.append("it ran by seconds, not by operations")
    inexact = sum(not step.is_exact for step in session.steps())
    if inexact:
        changes = "1 change was" if inexact == 1 else f"{inexact} changes were"
        reasons.append(f"{changes} made while the workload ran, at a count that is not exact")
    if session.facts.lost_events:
        reasons.append(f"{session.facts.lost_events} events were overwritten before they were read")
    changed = [name for name in row.steady if any(name in step.after for step in session.steps())]
    reasons += [f"{name} was changed" for name in changed]
    return reasons


def plan_repetition(session: Session) -> Run:
    """What to run to repeat a session.

    A session by operations runs as many as were done, to its end or to just beyond where its recording was
    cut; one by seconds as long as it ran.

    Raises
    ------
    BadParameter
        If it was a process that was attached to, or nothing of it was recorded.
    """
    spec = session.spec
    if spec is None:
        raise BadParameter(
            f"{session.name}: a process that was attached to cannot be run again; "
            "only a session of a workload of ours can"
        )
    schedule = read_schedule(session) if is_tunable(spec.allocator) else ()
    operations = session.operations
    if not operations:
        raise BadParameter(f"{session.name}: no operation was recorded, so there is nothing to repeat")
    if spec.operations is not None:
        if not session.facts.is_complete:
            operations = min(operations + CUT_MARGIN_OPERATIONS, spec.operations)
        return replace(spec, operations=operations, schedule=schedule)
    elapsed_s = session.facts.elapsed_s or float(session.samples.index[-1])
    return replace(spec, seconds=elapsed_s, schedule=schedule)


def repeat_session(
    session: Session | str | os.PathLike[str],
    folder: str | os.PathLike[str] | None = None,
    timeout_s: float | None = None,
    probes: Iterable[Probe] = (),
) -> Session:
    """Run a recorded session again, and record that.

    Its probes are read again, as far as they can be.

    Parameters
    ----------
    session : Session or path
    folder : path, optional
        Where the new recording goes; by default beside the first.
    timeout_s : float, optional
        Ends the run after so long.
    probes : iterable of Probe
        In place of those of their names; nothing else can stand for a Python function.

    Raises
    ------
    BadParameter
        If it cannot be repeated.
    DamagedSession, WrongRecordingVersion
        If it cannot be read.
    WorkbenchError
        If the run cannot be started here: a tunable that no longer exists, an allocator that is missing.
    """
    opened = session if isinstance(session, Session) else Session.open(session)
    spec = plan_repetition(opened)
    target = Path(folder) if folder is not None else opened.path.parent
    subject = f"{opened.facts.subject}, repeated"
    wanted: dict[str, Probe | str] = {one.name: one.source for one in opened.facts.probes if one.source}
    wanted |= {probe.name: probe for probe in probes}
    return record_run(spec, target, subject=subject, timeout_s=timeout_s, probes=wanted.values())


def record_run(
    spec: Run,
    folder: str | os.PathLike[str],
    *,
    subject: str = "",
    name: str = "",
    timeout_s: float | None = None,
    probes: Iterable[Probe | str] = (),
) -> Session:
    """Run a workload to its end and record it.

    Parameters
    ----------
    spec : Run
    folder : path
        Where the recording goes.
    subject, name : str
        What the recording says it is of, and its own name; made up if empty.
    timeout_s : float, optional
        Ends the run after so long.
    probes : iterable of Probe or str
        Recorded beside the metrics; a str is as for `read_probe`.

    Raises
    ------
    WorkbenchError
        If the run cannot be started, or the recording not be written.
    """
    with Worker.start(spec, paused=True) as worker, ProbeReader() as reader:
        for probe in probes:
            reader.add(read_probe(probe, worker.pid) if isinstance(probe, str) else probe)
        blocks = worker.allocator_block, worker.workload_block
        recorder = Recorder(*blocks, lambda: resident_bytes(worker.pid), reader, is_from_start=True)
        subject = subject or f"{spec.workload} under {spec.allocator}"
        facts = gather_facts(subject, worker.allocator_block, spec=spec, process=str(worker.pid))
        writer = SessionWriter(Path(folder), facts, recorder.start_s, name)
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        outcome = _record_to_end(worker, recorder, writer, deadline_s)
        writer.close(outcome)
    if writer.problem:
        raise BadParameter(writer.problem)
    return Session.open(writer.path)


def _record_to_end(
    worker: Worker, recorder: Recorder, writer: SessionWriter, deadline_s: float | None
) -> Outcome:
    outcome = None
    writer.add_sample(recorder.sample(), recorder.columns)
    worker.resume()
    while outcome is None:
        # A run of a moment is sampled, too: up to some fifty times, then as often as in the panel.
        interval_s = min(SAMPLE_INTERVAL_S, max(FIRST_INTERVAL_S, recorder.time_s / 50))
        outcome = worker.await_end(interval_s)
        if outcome is None and deadline_s is not None and time.monotonic() > deadline_s:
            outcome = worker.wait(0.0)
        if outcome is None:
            try:
                writer.add_sample(recorder.sample(), recorder.columns)
            except NoProcess:
                continue  # it ended just now
        batch = recorder.drain_events()
        if batch is not None:
            writer.add_events(batch)
        writer.flush()
    # Its threads are gone, and their capacities with them; the count is the run's.
    writer.add_sample(Sample(recorder.time_s, outcome.operations, {}), recorder.columns)
    return outcome


def gather_facts(
    subject: str,
    allocator_block: ControlBlock | None,
    *,
    spec: Run | None = None,
    process: str = "",
    is_exploratory: bool = False,
) -> SessionFacts:
    """What is known of a session at its start."""
    return SessionFacts(
        subject=subject,
        started=date_now(),
        spec=spec,
        settings=allocator_block.requested().values if allocator_block else {},
        process=process,
        allocator_build=allocator_block.info.build if allocator_block else "",
        provenance=describe_origin(),
        is_exploratory=is_exploratory,
    )


def save_notebook(session: Session, path: str | os.PathLike[str] | None = None) -> Path:
    """Write a notebook that repeats a session and compares the two, whole or not at all; returns its path.

    Parameters
    ----------
    session : Session
    path : str or path, optional
        Beside the session by default. Another notebook of that kind is replaced.

    Raises
    ------
    WorkbenchError
        If the session cannot be repeated (a process that was attached to), the file not written, or another notebook
        or file is there.
    """
    plan_repetition(session)
    path = (Path(path) if path is not None else session.path.with_suffix(".ipynb")).absolute()
    text = json.dumps(_build(session), indent=1, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkbenchError(f"notebook: {path} cannot be written ({error.strerror})") from error
    write_output(path, text, "a notebook that repeats a session", lambda found: "repeat_session" in found)
    return path


def _build(session: Session) -> dict[str, Any]:
    cells = [
        _markdown(_describe(session)),
        # Strings of JSON are strings of Python, whatever is in the path.
        _code(
            f"session = {json.dumps(str(session.path))}  # the recording to repeat\n"
            'results = ""  # folder for the new recording; empty: beside the first',
            tags=["parameters"],
        ),
        _code(
            "import workbench as wb\n\n"
            "original = wb.open_session(session)\n"
            'wb.plots.draw_session(original, along="operations")'
        ),
        _markdown("The changes that are repeated, each at its count of operations:"),
        _code("original.changes"),
        _markdown("The same once more. It takes about as long as the session did."),
        _code("repeated = wb.repeat_session(original, results or None)\nrepeated"),
        _markdown("Both, the first session pale behind its repetition:"),
        _code('wb.plots.draw_session(repeated, original, along="operations")'),
        _markdown("How they agree; `help(wb.compare_sessions)` says how the intervals are computed:"),
        _code("agreement = wb.compare_sessions(original, repeated)\nprint(agreement.describe())"),
        _code("agreement.to_frame()"),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:02d}"
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _describe(session: Session) -> str:
    facts, spec = session.facts, session.spec
    assert spec is not None
    threads = spec.resolve().threads_text
    reasons = explain_inexactness(session)
    expected = (
        "It must come out the same, event for event."
        if not reasons
        else f"It cannot be the same event for event: {'; '.join(reasons)}. "
        "It is compared within intervals that the first session gives."
    )
    return (
        f"# {_escape(facts.subject)}, once more\n\n"
        f"Recorded {facts.started}: workload `{spec.workload}`, {threads}, seed {spec.seed}, "
        f"{session.operations:,} operations, {len(session.steps())} sets of tunables. "
        "This notebook runs it again with the same changes at the same counts of operations, "
        f"and puts both beside each other. {expected}\n\n"
        "Unattended: `papermill NOTEBOOK OUT.ipynb`, with `-p session FOLDER` for another recording."
    )


def _escape(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\`*_[]<>#$" else character for character in text)


def _markdown(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str, tags: list[str] | None = None) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": tags} if tags else {},
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }
