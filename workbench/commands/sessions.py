"""sessions: the sessions that were recorded: listed, shown, repeated, as a notebook or a page."""

from __future__ import annotations

from pathlib import Path

import click

from workbench.api.listing import list_sessions
from workbench.commands.arguments import path_option
from workbench.commands.output import STATUS_FAILED, Answer, answering, pick
from workbench.sessions import (
    Session,
    compare_sessions,
    default_folder,
    explain_inexactness,
    repeat_session,
    save_notebook,
)
from workbench.sessions.layout import SUFFIX


def _find_session(ctx: click.Context, parameter: click.Parameter, name: str) -> Session:
    """The session of that name in the group's --folder, else at that path, else in the usual folder."""
    del parameter
    given: Path | None = ctx.parent.params["folder"] if ctx.parent is not None else None
    folder = given or default_folder()
    inside = [folder / name, folder / f"{name}{SUFFIX}"]
    places = [*inside, Path(name)] if given is not None else [Path(name), *inside]
    return Session.open(next((place for place in places if place.is_dir()), name))


session_argument = click.argument("session", metavar="SESSION", type=click.Path(), callback=_find_session)


@click.group(invoke_without_command=True)
@path_option("--folder", metavar="DIR", help="Another folder of sessions.")
@answering
def sessions(folder: Path | None) -> Answer:
    """List the recorded sessions in ./sessions (or $WORKBENCH_SESSIONS), newest first.

    SESSION is the folder of one, or its name as the list shows it.
    """
    found = list_sessions(folder)
    shown = found.to_table() if found else f"nothing is recorded in {folder or default_folder()}"
    return Answer([_describe(session) for session in found], shown)


@sessions.command()
@session_argument
@answering
def show(session: Session) -> Answer:
    """Show what a session holds: what ran, its changes, and whether it can be repeated exactly."""
    reasons = explain_inexactness(session)
    changes = [pick(step, "time_s operations") | {"set": step.after} for step in session.steps()]
    return Answer(
        _describe(session) | {"changes": changes, "inexactness": reasons},
        session.to_table(),
        f"  repeats within intervals: {'; '.join(reasons)}" if reasons else "  repeats event for event",
    )


@sessions.command()
@session_argument
@path_option("-o", "--output", help="Write to this file instead of beside the session.")
@answering
def notebook(session: Session, output: Path | None) -> Answer:
    """Write a notebook that repeats a recorded session and compares the two."""
    written = save_notebook(session, output)
    return Answer({"path": written}, f"wrote {written}")


@sessions.command()
@session_argument
@path_option("-o", "--output", help="Write to this file instead of beside the session.")
@answering
def page(session: Session, output: Path | None) -> Answer:
    """Write a recorded session as one HTML page with live charts that opens offline."""
    from workbench.plots.page import save_page  # slow to import, and seldom needed

    written = save_page(session, output)
    return Answer({"path": written}, f"wrote {written}")


@sessions.command()
@session_argument
@path_option("--into", metavar="DIR", help="Where the new session goes.")
@answering
def repeat(session: Session, into: Path | None) -> Answer:
    """Run a recorded session again and compare the two; status 1 if they differ."""
    repeated = repeat_session(session, into)
    agreement = compare_sessions(session, repeated)
    found = pick(agreement, "agrees is_exact events difference inexactness figures")
    return Answer(
        {"path": repeated.path} | found,
        agreement.describe(),
        f"recorded in {repeated.path}",
        status=0 if agreement.agrees else STATUS_FAILED,
    )


def _describe(session: Session) -> dict[str, object]:
    facts = pick(session.facts, "subject started status operations elapsed_s")
    return {"path": session.path, "bytes": session.size_bytes} | facts
