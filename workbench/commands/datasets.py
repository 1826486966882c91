"""datasets: the recordings of real programs: listed, verified, recorded again."""

from __future__ import annotations

from pathlib import Path

import click

from workbench.api.listing import list_datasets
from workbench.commands.arguments import path_option
from workbench.commands.completion import complete_dataset
from workbench.commands.output import STATUS_FAILED, Answer, answering
from workbench.datasets import Card, datasets_folder, known_datasets, verify
from workbench.datasets import rebuild as rebuild_dataset
from workbench.units import format_rough


@click.group(invoke_without_command=True)
@answering
def datasets() -> Answer:
    """List the datasets: traces of real programs. `verify` checks them, `rebuild` records one anew."""
    listing = list_datasets()
    return Answer({"folder": datasets_folder(), "datasets": listing}, listing.to_table())


@datasets.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_dataset)
@answering
def verify_datasets(names: tuple[str, ...]) -> Answer:
    """Check that the datasets still have the checksums and counts on their cards; all, or those named."""
    found = {name: verify(name) for name in names or known_datasets()}
    return Answer(
        [{"name": name, "problems": problems} for name, problems in found.items()],
        *(f"{name}: {'; '.join(problems) or 'sound'}" for name, problems in found.items()),
        status=STATUS_FAILED if any(found.values()) else 0,
    )


@datasets.command()
@click.argument("name", metavar="NAME", shell_complete=complete_dataset)
@path_option("--output", help="Write the trace and its card here, and leave the dataset as it is.")
@answering
def rebuild(name: str, output: Path | None) -> Answer:
    """Run the program of a dataset again and record it anew."""
    path = rebuild_dataset(name, output)
    card = Card.read(path.with_suffix(".toml"))
    size = format_rough(card.file_bytes, "bytes")
    words = f"{card.events} events, {card.file_bytes / max(1, card.events):.2f} bytes each, {size}"
    return Answer({"path": path, "card": card}, f"{path}: {words}")
