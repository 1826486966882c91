"""recordings: the sessions that were recorded: listed, shown, repeated, as a notebook."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from workbench.commands.output import json_option, pass_json_on, print_json, print_table
from workbench.recording import (
    Recording,
    compare_sessions,
    default_folder,
    explain_inexactness,
    find_recordings,
    repeat_session,
)
from workbench.recording.layout import SUFFIX
from workbench.units import format_rough

_STATUS_FAILED = 1


def _find_recording(ctx: click.Context, parameter: click.Parameter, name: str) -> Recording:
    """The recording of that name in the group's --folder, else at that path, else in the usual folder."""
    del parameter
    given: Path | None = ctx.obj
    folder = given or default_folder()
    inside = [folder / name, folder / f"{name}{SUFFIX}"]
    places = [*inside, Path(name)] if given is not None else [Path(name), *inside]
    return Recording.open(next((place for place in places if place.is_dir()), name))


recording_argument = click.argument(
    "recording", metavar="RECORDING", type=click.Path(), callback=_find_recording
)


@click.group(invoke_without_command=True)
@click.option(
    "--folder", metavar="DIR", type=click.Path(path_type=Path), help="Another folder of recordings."
)
@json_option
@click.pass_context
def recordings(ctx: click.Context, folder: Path | None, as_json: bool) -> None:
    """List the sessions recorded in ./recordings (or $HAKMEM_RECORDINGS), newest first.

    RECORDING is the folder of one, or its name as the list shows it.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = folder
        pass_json_on(ctx, as_json)
        return
    found = find_recordings(folder)
    if as_json:
        print_json([_describe(recording) for recording in found])
        return
    if not found:
        click.echo(f"nothing is recorded in {folder or default_folder()}")
        return
    rows = [
        (
            recording.facts.started,
            recording.facts.status or "unfinished",
            format_rough(recording.size_bytes, "bytes"),
            recording.facts.subject,
            str(recording.path),
        )
        for recording in found
    ]
    print_table(
        ("started", "end", "size", "what", "folder"),
        rows,
        right=("size",),
        shortened=("what",),
        dropped=("size", "end", "what"),
    )


@recordings.command()
@recording_argument
@json_option
def show(recording: Recording, as_json: bool) -> None:
    """Show what a recording holds: what ran, its changes, and whether it can be repeated exactly."""
    steps = recording.steps()
    reasons = explain_inexactness(recording)
    if as_json:
        changes = [
            {"time_s": step.time_s, "operations": step.operations, "set": step.after} for step in steps
        ]
        print_json({**_describe(recording), "changes": changes, "inexactness": reasons})
        return
    facts = recording.facts
    click.echo(f"{facts.subject}, {facts.started}, {facts.status or 'unfinished'}")
    click.echo(f"  {len(recording.samples)} samples, {len(recording.events)} events, {len(steps)} changes")
    for step in steps:
        values = ", ".join(f"{name} = {value}" for name, value in step.after.items())
        place = "" if step.operations is None else f", {step.operations} operations"
        click.echo(f"  {step.time_s:.1f} s{place}: {step.cause}: {values}")
    click.echo(
        "  repeats event for event" if not reasons else f"  repeats within intervals: {'; '.join(reasons)}"
    )


@recordings.command()
@recording_argument
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(), help="Write here, not beside the recording."
)
@json_option
def notebook(recording: Recording, output: str | None, as_json: bool) -> None:
    """Write a notebook that repeats a recorded session and compares the two."""
    written = recording.save_notebook(output)
    if as_json:
        print_json({"path": written})
    else:
        click.echo(f"wrote {written}")


@recordings.command()
@recording_argument
@click.option("--into", metavar="DIR", type=click.Path(), help="Where the new recording goes.")
@json_option
def repeat(recording: Recording, into: str | None, as_json: bool) -> None:
    """Run a recorded session again and say how the two agree; status 1 if they do not."""
    repeated = repeat_session(recording, into)
    agreement = compare_sessions(recording, repeated)
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


def _describe(recording: Recording) -> dict[str, object]:
    facts = recording.facts
    return {
        "path": recording.path,
        "subject": facts.subject,
        "started": facts.started,
        "status": facts.status,
        "operations": facts.operations,
        "elapsed_s": facts.elapsed_s,
        "bytes": recording.size_bytes,
    }
