"""export: the tunables of a process or of a file, as a file of defaults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.api.processes import open_blocks
from workbench.api.settings import describe_blocks
from workbench.commands.arguments import kind_option, path_option
from workbench.commands.output import Answer, answering
from workbench.commands.targets import Target, optional_target_argument
from workbench.errors import BadParameter
from workbench.export import FORMATS, Provenance, read_defaults, render_defaults, write_defaults
from workbench.interrupt import ending_at_once

if TYPE_CHECKING:
    from workbench.export.evidence import Evidence
    from workbench.export.live_evidence import LiveEvidence

_FORMAT_HELP = "; ".join(f"{form.name}: {form.help}" for form in FORMATS.values())


@click.command()
@optional_target_argument
@path_option("--settings", "settings_path", help="Convert this file instead of reading a process.")
@path_option(
    "--experiment",
    "experiment_path",
    metavar="FOLDER",
    help="Write setting B of this live experiment, with its evidence.",
)
@click.option(
    "--format", "format_name", type=click.Choice(list(FORMATS)), required=True, help=_FORMAT_HELP + "."
)
@path_option("-o", "--output", help="Write to this file instead of standard output.")
@kind_option
@answering
def export(
    target: Target | None,
    settings_path: Path | None,
    experiment_path: Path | None,
    format_name: str,
    output: Path | None,
    kind: str | None,
) -> Answer:
    """Write the tunables of a process, group, exported file or experiment to a file, with their origin."""
    if sum(one is not None for one in (target, settings_path, experiment_path)) != 1:
        raise BadParameter(
            "export needs either a PID or group, or --settings FILE, or --experiment FOLDER; `workbench ps` "
            "lists the processes"
        )
    evidence: Evidence | LiveEvidence | None = None
    provenance: Provenance = {}
    if experiment_path is not None:
        with ending_at_once():
            from workbench.allocators import get_allocator
            from workbench.experiments.live_result import LiveResult
            from workbench.export.evidence_files import write_evidence
            from workbench.export.live_evidence import LiveEvidence

        evidence = LiveEvidence.from_result(LiveResult.read(experiment_path))
        values, allocator = evidence.settings, get_allocator(evidence.allocator)
    elif settings_path is not None:
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
    if experiment_path is not None and output is not None and evidence is not None:
        write_evidence(output, evidence, format_name)
    elif output is not None:
        write_defaults(output, format_name, values, provenance, allocator=allocator, evidence=evidence)
    report = {"format": format_name, "path": output, "values": values, "provenance": provenance}
    return Answer(report) if output is not None else Answer(report | {"text": text}, text.removesuffix("\n"))
