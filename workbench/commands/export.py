"""export: the tunables of a process or of a file, as a file of defaults."""

from __future__ import annotations

from pathlib import Path

import click

from workbench.api.processes import open_blocks
from workbench.api.settings import describe_blocks
from workbench.commands.arguments import kind_option, path_option
from workbench.commands.output import Answer, answering
from workbench.commands.targets import Target, optional_target_argument
from workbench.errors import BadParameter
from workbench.export import FORMATS, read_defaults, render_defaults, write_defaults
from workbench.interrupt import ending_at_once

_FORMAT_HELP = "; ".join(f"{form.name}: {form.help}" for form in FORMATS.values())


@click.command()
@optional_target_argument
@path_option("--settings", "settings_path", help="Convert this file instead of reading a process.")
@click.option(
    "--format", "format_name", type=click.Choice(list(FORMATS)), required=True, help=_FORMAT_HELP + "."
)
@path_option("-o", "--output", help="Write to this file instead of standard output.")
@kind_option
@answering
def export(
    target: Target | None,
    settings_path: Path | None,
    format_name: str,
    output: Path | None,
    kind: str | None,
) -> Answer:
    """Write the tunables of a process, a group or an exported file to a file, with their origin."""
    if (target is None) == (settings_path is None):
        raise BadParameter(
            "export needs either a PID or group, or --settings FILE; `workbench ps` lists the processes"
        )
    evidence = None
    if settings_path is not None:
        # What evidence rests on is slow to import, and the settings of a process have none.
        with ending_at_once():
            from workbench.export.evidence_files import read_evidence

        defaults = read_defaults(settings_path)
        values, provenance, allocator = defaults.values, defaults.provenance, defaults.allocator
        evidence = read_evidence(settings_path)
    elif target is not None:
        with open_blocks(target, kind) as blocks:
            members = [one for block in blocks for one in block.members]
            values, provenance, allocator = describe_blocks(members, str(target))
    text = render_defaults(format_name, values, provenance, allocator, evidence)
    if output is not None:
        write_defaults(output, format_name, values, provenance, allocator=allocator, evidence=evidence)
    report = {"format": format_name, "path": output, "values": values, "provenance": provenance}
    return Answer(report) if output is not None else Answer(report | {"text": text}, text.removesuffix("\n"))
