"""What there is to work with, as lists that show themselves; and what is opened by its name or place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.allocators import Allocator, allocators
from workbench.api.arguments import checks_arguments
from workbench.display import Listing
from workbench.table import Table
from workbench.units import format_number, format_rough
from workbench.workloads import Workload, known_workloads

if TYPE_CHECKING:  # slow to import, and each list needs little
    from workbench.datasets import Card
    from workbench.sessions import Session
    from workbench.traces import Trace


def list_workloads() -> Listing[Workload]:
    """List the workloads with their parameters."""
    known = known_workloads().values()
    rows: list[tuple[str, ...]] = []
    for workload in known:
        rows.append((workload.name, "", "", f"{workload.help} Stresses: {workload.stresses}"))
        for parameter in workload.parameters:
            low, high = format_number(parameter.minimum), format_number(parameter.maximum)
            span = f"{low}..{high} {parameter.unit}".rstrip()
            rows.append((f"  {parameter.name}", format_number(parameter.default), span, parameter.help))
    table = Table(
        ("workload", "default", "range", "what it does"),
        rows,
        right=("default",),
        wrapped=("what it does",),
        dropped=("range", "default"),
    )
    return Listing(known, table)


def list_allocators() -> Listing[Allocator]:
    """List the allocators, and which package brings a missing one."""
    known = allocators()
    columns = {
        "allocator": lambda one: one.name,
        "version": lambda one: one.version or "",
        "library": lambda one: (
            str(one.library or "the C library's own") if one.available else f"not installed: {one.remedy}"
        ),
    }
    return Listing(known, Table.of(known, columns, wrapped=("library",), dropped=("version",)))


def list_datasets() -> Listing[Card]:
    """List the traces of real programs that ship with the workbench.

    Raises
    ------
    UnknownDataset, DamagedDataset
        If there are no datasets here, or a card cannot be read.
    """
    from workbench.datasets import known_datasets

    cards = known_datasets().values()
    columns = {
        "dataset": lambda card: card.name,
        "events": lambda card: card.events,
        "threads": lambda card: card.threads,
        "live at most": lambda card: format_rough(card.peak_live_bytes, "bytes"),
        "file": lambda card: format_rough(card.file_bytes, "bytes"),
        "bytes/event": lambda card: f"{card.file_bytes / max(1, card.events):.2f}",
        "what ran": lambda card: card.help,
    }
    table = Table.of(
        cards,
        columns,
        right=[*columns][1:6],
        wrapped=("what ran",),
        dropped=("bytes/event", "threads", "file", "live at most", "what ran"),
    )
    return Listing(cards, table)


@checks_arguments
def list_sessions(folder: str | os.PathLike[str] | None = None) -> Listing[Session]:
    """List the recorded sessions in a folder, ./sessions or $WORKBENCH_SESSIONS by default, newest first."""
    from workbench.sessions import find_sessions

    found = find_sessions(None if folder is None else Path(folder))
    columns = {
        "started": lambda session: session.facts.started,
        "end": lambda session: session.facts.status or "unfinished",
        "size": lambda session: format_rough(session.size_bytes, "bytes"),
        "what": lambda session: session.facts.subject,
        "folder": lambda session: session.path,
    }
    dropped = ("size", "end", "what")
    return Listing(found, Table.of(found, columns, right=("size",), shortened=("what",), dropped=dropped))


@checks_arguments
def open_session(path: str | os.PathLike[str]) -> Session:
    """Open a recorded session by its folder.

    Raises
    ------
    DamagedSession, WrongRecordingVersion
        If there is no session, or it cannot be read.
    """
    from workbench.sessions import Session

    return Session.open(path)


@checks_arguments
def open_trace(trace: str | os.PathLike[str]) -> Trace:
    """Open a trace by its path, or a dataset by its name; `profile_trace` tells what it holds.

    Raises
    ------
    UnknownDataset, DamagedTrace, WrongTraceVersion
        If there is none, or it cannot be read.
    """
    from workbench.traces import Trace
    from workbench.traces.places import find_trace

    return Trace.open(find_trace(os.fspath(trace)))
