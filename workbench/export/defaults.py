"""Writing tuned defaults in one of the formats, and reading them back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.allocators import Allocator, allocators, get_allocator
from workbench.control import Tunable, Value
from workbench.errors import BadParameter, UnknownTunable, WorkbenchError, describe_unknown
from workbench.export.environment import DEPLOYMENTS, ENVIRONMENT
from workbench.export.format import Format, read_text, read_title, write_title
from workbench.export.header import HEADER
from workbench.export.provenance import Provenance, parse_provenance, render_provenance
from workbench.export.toml import TOML, render_comments, render_evidence
from workbench.output_file import write_output

if TYPE_CHECKING:  # evidence rests on experiments, which are slow to import
    from workbench.export.evidence import Evidence
    from workbench.export.live_evidence import LiveEvidence

#: Every format by its name on the command line. A new one is one file and one entry here.
FORMATS: Mapping[str, Format] = {form.name: form for form in (ENVIRONMENT, TOML, HEADER, *DEPLOYMENTS)}


@dataclass(frozen=True)
class Defaults:
    """The content of a file of defaults.

    Attributes
    ----------
    values : mapping of str to Value
        Checked values by the tunable's name, in the order of the file.
    provenance : mapping of str to str
        Where they come from, as far as the file says.
    """

    values: Mapping[str, Value]
    provenance: Provenance
    allocator: Allocator = field(compare=False)


def choose_format(path: str | os.PathLike[str]) -> str:
    """Tell by its ending the format of a file that is to be written; BadParameter if that tells none."""
    for form in FORMATS.values():
        if os.fspath(path).endswith(form.suffix):
            return form.name
    endings = ", ".join(form.suffix for form in FORMATS.values())
    raise BadParameter(f"{os.fspath(path)}: its ending tells no format; there are {endings}")


def choose_allocator(values: Mapping[str, Value]) -> Allocator:
    """The allocator that knows most of the values by name."""
    return _choose_allocator(lambda one: len(values.keys() & one.tunables))


def render_defaults(
    format: str,  # noqa: A002 - the word the command line and the documentation use
    values: Mapping[str, Value],
    provenance: Provenance,
    allocator: Allocator | None = None,
    evidence: Evidence | LiveEvidence | None = None,
) -> str:
    """Render the text that `write_defaults` writes, with its parameters and errors."""
    form = FORMATS.get(format)
    if form is None:
        raise BadParameter(f"no format '{format}'; there are {', '.join(FORMATS)}")
    if allocator is None and evidence is not None:
        allocator = get_allocator(evidence.allocator)
    allocator = allocator or choose_allocator(values)
    for name in values:
        if name not in allocator.tunables:
            raise UnknownTunable(describe_unknown("tunable", name, allocator.tunables))
    comments = [write_title(allocator.name), *render_provenance(provenance)]
    if evidence is None:
        return form.render(comments, values, allocator)
    evidence.check_settings(values)
    if form is TOML:
        content = replace(evidence, toml=None, toml_sha256=None).to_dict()
        return "\n".join([form.render(comments, values, allocator), *render_evidence(content), ""])
    return form.render([*comments, *render_comments(evidence.shorten().to_dict())], values, allocator)


def write_defaults(
    path: str | os.PathLike[str],
    format: str,  # noqa: A002 - as above
    values: Mapping[str, Value],
    provenance: Provenance,
    *,
    allocator: Allocator | None = None,
    evidence: Evidence | LiveEvidence | None = None,
) -> None:
    """Write values to a file, with their provenance as comments.

    Parameters
    ----------
    path : path
        An existing file is replaced.
    values : mapping of str to Value
        Values by tunable name, as `ControlBlock.requested().values`.
    allocator : Allocator, optional
        Whose values they are; by default that of the evidence, or the one that knows most of them.
    evidence : Evidence, optional
        What the values rest on: all of it in TOML, the claim in the comments of other formats.

    Raises
    ------
    BadParameter
        If there is no such format, the allocator's values cannot be in it, or the file cannot be written.
    UnknownTunable
        If a value's name is not among the tunables.
    DamagedEvidence
        If the evidence is about other values.
    """
    text = render_defaults(format, values, provenance, allocator, evidence)
    target = Path(path)

    def is_ours(found: str) -> bool:
        with contextlib.suppress(WorkbenchError):
            return bool(read_title(found) or read_defaults(target, allocator=allocator).values)
        return False

    write_output(target, text, "a settings file", is_ours)


def read_defaults(path: str | os.PathLike[str], *, allocator: Allocator | None = None) -> Defaults:
    """Read a file that `write_defaults` or a person wrote, in whichever of the formats it is.

    Its ending tells the format, or else its content. Without an allocator, the values are of the one that
    knows most of them, and that the file names.

    Raises
    ------
    UnknownTunable, OutOfRange, BadParameter
        With the file, the line and the name of everything wrong in it; the class is that of the
        first such thing. BadParameter also if the file cannot be read.
    """
    text = read_text(path)
    form = recognise_format(os.fspath(path), text)
    values: dict[str, Value] = {}
    errors: list[WorkbenchError] = []
    try:
        assignments = form.scan(text)
    except BadParameter as error:
        raise BadParameter(f"{os.fspath(path)}: {error}") from error

    def find_places(some: Allocator) -> dict[str, Tunable]:
        return {form.identify(one, some): one for one in some.tunables.values()}

    def count(some: Allocator) -> int:
        known = find_places(some)
        return sum(one.identifier in known for one in form.expand(assignments, some))

    allocator = allocator or _choose_allocator(count, read_title(text))
    by_identifier = find_places(allocator)
    for one in form.expand(assignments, allocator):
        tunable = by_identifier.get(one.identifier)
        try:
            if tunable is None:
                names = filter(None, by_identifier)
                raise UnknownTunable(describe_unknown("tunable", one.identifier, names))
            values[tunable.name] = form.decode(tunable, one.text)
        except WorkbenchError as error:
            where = f"line {one.line}: " if one.line else ""
            errors.append(type(error)(f"{where}{error}"))
    if errors:
        raise type(errors[0])(f"{os.fspath(path)}: " + "; ".join(str(error) for error in errors))
    # Until version 2, evidence stood among the facts.
    facts = parse_provenance(form.list_comments(text)).items()
    kept = {name: fact for name, fact in facts if not name.startswith("evidence ")}
    return Defaults(values, kept, allocator)


def recognise_format(path: str, text: str) -> Format:
    """Tell the format of a text by the ending of its path, else by itself; BadParameter if it is none."""
    for form in FORMATS.values():
        if path.endswith(form.suffix):
            return form
    for form in (HEADER, TOML, *DEPLOYMENTS, ENVIRONMENT):
        if form.recognises(text):
            return form
    raise BadParameter(
        f"{path}: no settings in it; expected {', '.join(form.title for form in FORMATS.values())}"
    )


def _choose_allocator(count: Callable[[Allocator], int], title: str | None = None) -> Allocator:
    """That which most are found with; of several, the one that the file names."""
    known = [one for one in allocators() if one.available and one.is_tunable]
    return max(known, key=lambda one: (count(one), one.name == title))
