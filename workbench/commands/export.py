"""export: the tunables of a process or of a file, as a file of defaults."""

from __future__ import annotations

import click

from workbench.api.processes import attach
from workbench.api.settings import describe_block
from workbench.commands.arguments import kind_option, optional_pid_argument
from workbench.commands.output import json_option, print_json
from workbench.errors import BadParameter
from workbench.export import (
    FORMATS,
    read_defaults,
    render_defaults,
    write_defaults,
)
from workbench.interrupt import ending_at_once

_FORMAT_HELP = "; ".join(f"{form.name}: {form.help}" for form in FORMATS.values())


@click.command()
@optional_pid_argument
@click.option(
    "--settings",
    "settings_path",
    metavar="FILE",
    type=click.Path(),
    help="Convert this file instead of reading a process.",
)
@click.option(
    "--format", "format_name", type=click.Choice(list(FORMATS)), required=True, help=_FORMAT_HELP + "."
)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(), help="Write to this file instead of standard output."
)
@kind_option
@json_option
def export(
    pid: int | None,
    settings_path: str | None,
    format_name: str,
    output: str | None,
    kind: str | None,
    as_json: bool,
) -> None:
    """Write the tunables of a running process or of an exported file to a file, with their origin."""
    if (pid is None) == (settings_path is None):
        raise BadParameter("export needs either a PID or --settings FILE; `workbench ps` lists the processes")
    evidence = None
    if settings_path is not None:
        # What evidence rests on is slow to import, and the settings of a process have none.
        with ending_at_once():
            from workbench.export.evidence_files import read_evidence

        defaults = read_defaults(settings_path)
        values, known, provenance = defaults.values, None, defaults.provenance
        evidence = read_evidence(settings_path)
    elif pid is not None:
        with attach(pid, kind) as block:
            values, known, provenance = describe_block(block)
    text = render_defaults(format_name, values, provenance, known, evidence)
    if output is not None:
        write_defaults(output, format_name, values, provenance, tunables=known, evidence=evidence)
    if as_json:
        report = {"format": format_name, "path": output, "values": values, "provenance": provenance}
        print_json(report if output is not None else report | {"text": text})
    elif output is None:
        click.echo(text, nl=False)
