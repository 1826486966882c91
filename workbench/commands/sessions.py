"""sessions: the sessions that were recorded: listed, shown, repeated, as a notebook."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from workbench.api.listing import list_sessions
from workbench.commands.output import json_option, pass_json_on, print_json, show_table
from workbench.sessions import (
    Session,
    compare_sessions,
    default_folder,
    explain_inexactness,
    repeat_session,
    save_notebook,
)
from workbench.sessions.layout import SUFFIX

_STATUS_FAILED = 1


def _find_session(ctx: click.Context, parameter: click.Parameter, name: str) -> Session:
    """The session of that name in the group's --folder, else at that path, else in the usual folder."""
    del parameter
    given: Path | None = ctx.obj
    folder = given or default_folder()
    inside = [folder / name, folder / f"{name}{SUFFIX}"]
    places = [*inside, Path(name)] if given is not None else [Path(name), *inside]
    return Session.open(next((place for place in places if place.is_dir()), name))


session_argument = click.argument("session", metavar="SESSION", type=click.Path(), callback=_find_session)


@click.group(invoke_without_command=True)
@click.option("--folder", metavar="DIR", type=click.Path(path_type=Path), help="Another folder of sessions.")
@json_option
@click.pass_context
def sessions(ctx: click.Context, folder: Path | None, as_json: bool) -> None:
    """List the recorded sessions in ./sessions (or $WORKBENCH_SESSIONS), newest first.

    SESSION is the folder of one, or its name as the list shows it.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = folder
        pass_json_on(ctx, as_json)
        return
    found = list_sessions(folder)
    if as_json:
        print_json([_describe(session) for session in found])
        return
    if not found:
        click.echo(f"nothing is recorded in {folder or default_folder()}")
        return
    show_table(found.to_table())


@sessions.command()
@session_argument
@json_option
def show(session: Session, as_json: bool) -> None:
    """Show what a session holds: what ran, its changes, and whether it can be repeated exactly."""
    steps = session.steps()
    reasons = explain_inexactness(session)
    if as_json:
        changes = [
            {"time_s": step.time_s, "operations": step.operations, "set": step.after} for step in steps
        ]
        print_json({**_describe(session), "changes": changes, "inexactness": reasons})
        return
    show_table(session.to_table())
    click.echo(
        "  repeats event for event" if not reasons else f"  repeats within intervals: {'; '.join(reasons)}"
    )


@sessions.command()
@session_argument
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(),
    help="Write to this file instead of beside the session.",
)
@json_option
def notebook(session: Session, output: str | None, as_json: bool) -> None:
    """Write a notebook that repeats a recorded session and compares the two."""
    written = save_notebook(session, output)
    if as_json:
        print_json({"path": written})
    else:
        click.echo(f"wrote {written}")


@sessions.command()
@session_argument
@click.option("--into", metavar="DIR", type=click.Path(), help="Where the new session goes.")
@json_option
def repeat(session: Session, into: str | None, as_json: bool) -> None:
    """Run a recorded session again and compare the two; status 1 if they differ."""
    repeated = repeat_session(session, into)
    agreement = compare_sessions(session, repeated)
    if as_json:
        print_json(
            {
                "path": repeated.path,
                "agrees": agreement.agrees,
                "is_exact": agreement.is_exact,
                "events": agreement.events,
                "difference": agreement.difference,
                "inexactness": agreement.inexactness,
                "figures": agreement.figures,
            }
        )
    else:
        click.echo(agreement.describe())
        click.echo(f"recorded in {repeated.path}")
    if not agreement.agrees:
        sys.exit(_STATUS_FAILED)


def _describe(session: Session) -> dict[str, object]:
    facts = session.facts
    return {
        "path": session.path,
        "subject": facts.subject,
        "started": facts.started,
        "status": facts.status,
        "operations": facts.operations,
        "elapsed_s": facts.elapsed_s,
        "bytes": session.size_bytes,
    }
