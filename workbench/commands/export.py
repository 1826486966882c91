"""export: the tunables of a process or of a file, as a file of defaults."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

import click

from workbench.commands.arguments import kind_option, open_process_block
from workbench.commands.output import json_option, print_json
from workbench.control import ControlBlock, Tunable, Value
from workbench.errors import BadParameter
from workbench.export import (
    FORMATS,
    Provenance,
    describe_provenance,
    read_defaults,
    render_defaults,
    write_defaults,
)
from workbench.interrupt import ending_at_once

_FORMAT_HELP = "; ".join(f"{form.name}: {form.help}" for form in FORMATS.values())

# The program whose command line names the work it does.
_RUNNER = re.compile(r"(?:/.*/)?hakmem-run(?:-latency)?(?= --|$)")


@click.command()
@click.argument("pid", metavar="[PID]", type=click.IntRange(min=1), required=False)
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

        with ControlBlock.own() as own:
            known = own.tunables
        defaults = read_defaults(settings_path, tunables=known)
        values, provenance = defaults.values, defaults.provenance
        evidence = read_evidence(settings_path)
    elif pid is not None:
        values, known, provenance = _read_process(pid, kind)
    text = render_defaults(format_name, values, provenance, known, evidence)
    if output is not None:
        write_defaults(output, format_name, values, provenance, tunables=known, evidence=evidence)
    if as_json:
        report = {"format": format_name, "path": output, "values": values, "provenance": provenance}
        print_json(report if output is not None else report | {"text": text})
    elif output is None:
        click.echo(text, nl=False)


def _read_process(
    pid: int, kind: str | None
) -> tuple[Mapping[str, Value], Mapping[str, Tunable], Provenance]:
    with open_process_block(pid, kind) as block:
        values, known, info = block.requested().values, block.tunables, block.info
    work = _read_work(info.command)
    provenance = describe_provenance(
        values,
        known,
        build=info.build,
        workload=work.get("workload"),
        parameters=work.get("param"),
        threads=work.get("threads"),
        seed=work.get("seed"),
        process=f"{pid}, {info.command}",
    )
    return values, known, provenance


def _read_work(command: str) -> dict[str, str]:
    """What the command line of the workload runner tells; nothing for another program."""
    # A block has its command line as one text, in which the program's own path may have blanks.
    runner = _RUNNER.match(command)
    if runner is None:
        return {}
    words = command[runner.end() :].split()
    found: dict[str, str] = {}
    for option, value in itertools.pairwise(words):
        name = option.removeprefix("--")
        found[name] = f"{found[name]} {value}" if name in found else value
    return found
