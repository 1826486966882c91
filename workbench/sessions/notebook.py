"""Writes a notebook that repeats a session. Its cells only call: `repeat_session` does the work."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.output_file import write_output
from workbench.sessions.repetition import explain_inexactness, plan_repetition
from workbench.sessions.session import Session


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
