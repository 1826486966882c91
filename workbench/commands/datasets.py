"""datasets: the recordings of real programs: listed, verified, recorded again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from workbench.api.listing import list_datasets
from workbench.commands.completion import complete_dataset
from workbench.commands.output import json_option, pass_json_on, print_json, show_table
from workbench.datasets import Card, datasets_folder, known_datasets, verify
from workbench.datasets import rebuild as rebuild_dataset
from workbench.units import format_rough

_STATUS_FAILED = 1


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def datasets(ctx: click.Context, as_json: bool) -> None:
    """List the datasets: traces of real programs. `verify` checks them, `rebuild` records one anew."""
    if ctx.invoked_subcommand is not None:
        pass_json_on(ctx, as_json)
        return
    listing = list_datasets()
    if as_json:
        print_json({"folder": datasets_folder(), "datasets": listing})
    else:
        show_table(listing.to_table())


@datasets.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_dataset)
@json_option
def verify_datasets(names: tuple[str, ...], as_json: bool) -> None:
    """Check that the datasets still have the checksums and counts on their cards; all, or those named."""
    verifications = [verify(name) for name in names or known_datasets()]
    if as_json:
        print_json([{"name": found.name, "problems": found.problems} for found in verifications])
    else:
        for found in verifications:
            click.echo(f"{found.name}: {'sound' if found.is_sound else '; '.join(found.problems)}")
    if not all(found.is_sound for found in verifications):
        sys.exit(_STATUS_FAILED)


@datasets.command()
@click.argument("name", metavar="NAME", shell_complete=complete_dataset)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the trace and its card here, and leave the dataset as it is.",
)
@json_option
def rebuild(name: str, output: Path | None, as_json: bool) -> None:
    """Run the program of a dataset again and record it anew."""
    path = rebuild_dataset(name, output)
    card = Card.read(path.with_suffix(".toml"))
    if as_json:
        print_json({"path": path, "card": card})
    else:
        size = format_rough(card.file_bytes, "bytes")
        click.echo(
            f"{path}: {card.events} events, {card.file_bytes / max(1, card.events):.2f} bytes each, {size}"
        )
