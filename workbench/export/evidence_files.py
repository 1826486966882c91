"""Exported files that carry evidence: written, and read with every check that needs no run."""

from __future__ import annotations

import os

from workbench.errors import BadParameter, DamagedEvidence
from workbench.export.defaults import FORMATS, recognise_format, write_defaults
from workbench.export.evidence import Evidence
from workbench.export.evidence_check import check_facts, check_figures
from workbench.export.evidence_text import unpack_evidence
from workbench.export.format import read_text
from workbench.export.provenance import parse_provenance


def choose_format(path: str | os.PathLike[str]) -> str:
    """Tell the format of a file that is going to be written by its ending.

    Raises
    ------
    BadParameter
        If there is no format with that ending.
    """
    for form in FORMATS.values():
        if os.fspath(path).endswith(form.suffix):
            return form.name
    endings = ", ".join(form.suffix for form in FORMATS.values())
    raise BadParameter(f"{os.fspath(path)}: its ending tells no format; there are {endings}")


def write_evidence(
    path: str | os.PathLike[str],
    evidence: Evidence,
    format: str | None = None,  # noqa: A002 - as above
) -> None:
    """Write the settings that evidence is about, with it.

    Parameters
    ----------
    path : path
        File to write; an existing one is replaced.
    evidence : Evidence
    format : str, optional
        One of `FORMATS`; told by the ending of the path unless given.

    Raises
    ------
    BadParameter
        If the format is unknown, or the file cannot be written.
    """
    if format is None:
        format = choose_format(path)  # noqa: A001 - as above
    write_defaults(path, format, evidence.settings, {}, evidence=evidence)


def read_evidence(path: str | os.PathLike[str]) -> Evidence | None:
    """Read the evidence of an exported file, and see that it fits itself and the file's comments.

    That it fits the file's settings is for `check_settings` to say: their names may be unknown here.

    Returns
    -------
    Evidence or None
        None if the file carries none.

    Raises
    ------
    DamagedEvidence
        With what is missing, wrong, or was changed.
    BadParameter
        If the file cannot be read.
    """
    text = read_text(path)
    form = recognise_format(os.fspath(path), text)
    facts = parse_provenance(form.comments(text))
    try:
        content = unpack_evidence(facts) if form.extract is None else form.extract(text)
        if content is None:
            return None
        evidence = Evidence.from_dict(content)
        check_figures(evidence)
        check_facts(evidence, facts)
    except (DamagedEvidence, BadParameter) as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from None
    return evidence
