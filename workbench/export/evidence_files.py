"""Exported files that carry evidence: written, and read with every check that needs no run."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from workbench.errors import DamagedEvidence
from workbench.export.defaults import choose_format, recognise_format, write_defaults
from workbench.export.evidence import Evidence
from workbench.export.evidence_check import check_figures
from workbench.export.evidence_text import read_comments, read_table
from workbench.export.format import read_text
from workbench.export.toml import TOML


def write_evidence(path: str | os.PathLike[str], evidence: Evidence) -> None:
    """Write the settings that evidence is about, with it; the ending of the path tells the format.

    TOML holds all of the evidence. Another format holds the claim and names the TOML with its hash; where
    there is none yet, it is written beside the file, as `tuned.env.toml` beside `tuned.env`.

    Raises
    ------
    BadParameter
        If the format is unknown, or a file cannot be written.
    """
    form = choose_format(path)
    if form != TOML.name and evidence.toml is None:
        whole = Path(f"{os.fspath(path)}{TOML.suffix}")
        write_defaults(whole, TOML.name, evidence.settings, {}, evidence=evidence)
        evidence = replace(evidence, toml=whole.name, toml_sha256=_hash(whole))
    write_defaults(path, form, evidence.settings, {}, evidence=evidence)


def read_evidence(path: str | os.PathLike[str]) -> Evidence | None:
    """Read the evidence of an exported file, and see that it agrees with itself.

    Whether it agrees with the file's settings `check_settings` tells: their names may be unknown here.

    Returns
    -------
    Evidence or None
        None if the file carries none.

    Raises
    ------
    DamagedEvidence
        With what is missing or wrong.
    BadParameter
        If the file cannot be read.
    """
    text = read_text(path)
    form = recognise_format(os.fspath(path), text)
    try:
        content = read_table(text) if form is TOML else read_comments(form.list_comments(text))
        if content is None:
            return None
        evidence = Evidence.from_dict(content)
        check_figures(evidence)
    except DamagedEvidence as error:
        raise DamagedEvidence(f"{os.fspath(path)}: {error}") from None
    if form is TOML:
        return replace(evidence, toml=Path(path).name, toml_sha256=_hash(Path(path)))
    return evidence


def find_other_toml(path: str | os.PathLike[str], evidence: Evidence) -> list[str]:
    """Say whether the TOML that a file names lies beside it and is another one than it was."""
    whole = Path(path).parent / Path(evidence.toml or "").name
    if not whole.is_file() or _hash(whole) == evidence.toml_sha256:
        return []
    return [f"{whole}: it has changed since {os.fspath(path)} was made of it"]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
