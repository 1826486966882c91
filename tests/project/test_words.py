"""One word for one thing: public names, commands, help and pages keep to docs/glossary.md."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from scripts.public_names import PACKAGE, PublicName, list_public_names, list_rooms
from tests.project.tracked_files import list_files, read_text
from workbench.commands import COMMANDS, load_command

# Where a word is wrong, in forms that can only mean the other thing; and the right word.
WRONG_WORDS = {
    r"\bworkbench recordings\b": "session",
    r"(?<!control )\bblocks? of (?:a|the|each|one|its|another) (?:running )?process": "control block",
    r"\b(?:allocator|process|program|runner)'s (?:own )?blocks?\b": "control block",
    r"\b(?:opens?|publish(?:es)?) (?:a|the|one|its) blocks?\b": "control block",
    r"\b(?:snapshots?|descriptors|metrics|events) of (?:a|the|one|its) blocks?\b": "control block",
}


@cache
def read_glossary() -> str:
    return read_text(Path("docs/glossary.md")) or ""


@cache
def list_terms() -> frozenset[str]:
    """The words of all terms, and of those that an entry explains in passing, in italics."""
    entries = re.findall(r"```\{glossary\}\n(.*?)```", read_glossary(), re.DOTALL)
    terms = re.findall(r"^([A-Za-z].*)$", "\n".join(entries), re.MULTILINE)
    asides = re.findall(r"\*([A-Za-z ]+)\*", "\n".join(entries))
    assert len(terms) > 50
    assert len(terms) == len({term.lower() for term in terms}), "a term stands there twice"
    return frozenset(word for phrase in [*terms, *asides] for word in re.split(r"[ -]", phrase.lower()))


def list_all_names() -> list[PublicName]:
    return [name for room in list_rooms() for name in list_public_names(room)]


def is_explained(name: str) -> bool:
    """Whether a word of a class's name is in the glossary: "SessionFacts" by session."""
    words = [word.lower() for word in re.findall(r"[A-Z]+[a-z]*", name)]
    forms = {
        form
        for word in words
        for form in (word, word.rstrip("s"), word.removesuffix("r"), word.removesuffix("er"))
    }
    return bool(forms & list_terms())


def test_every_public_class_has_a_word_of_the_glossary() -> None:
    assert not is_explained("Gizmo")
    classes = [name for name in list_all_names() if name.kind == "class"]
    assert classes
    assert [f"{name.room}.{name.name}" for name in classes if not is_explained(name.name)] == []


def test_every_command_stands_in_the_glossary() -> None:
    assert [name for name in COMMANDS if f"`workbench {name}`" not in read_glossary()] == []


def test_no_two_public_things_have_one_name() -> None:
    found: dict[str, dict[int, str]] = {}
    # Functions of the package itself are what users call first; a room may have its part under that name.
    for room in [room for room in list_rooms() if room.__name__ != PACKAGE]:
        for name in room.__all__:
            found.setdefault(name, {}).setdefault(id(getattr(room, name)), f"{room.__name__}.{name}")
    assert [list(places.values()) for places in found.values() if len(places) > 1] == []


def list_texts() -> Iterator[tuple[str, str]]:
    """What users read: pages, help, docstrings of public names; each with the place where it stands."""
    for path in list_files():
        if path.suffix == ".md" and path.name != "CHANGELOG.md" and path != Path("docs/glossary.md"):
            yield str(path), read_text(path) or ""
    for name in COMMANDS:
        yield from list_help(load_command(name), f"workbench {name}")
    for room in list_rooms():
        for public in list_public_names(room):
            yield f"{public.room}.{public.name}", public.text
            value = getattr(room, public.name)
            for member, found in vars(value).items() if inspect.isclass(value) else ():
                if not member.startswith("_"):
                    yield f"{public.room}.{public.name}.{member}", getattr(found, "__doc__", None) or ""


def list_help(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    yield name, command.help or ""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield f"{name} {parameter.opts[-1]}", parameter.help or ""
    if isinstance(command, click.Group):
        for child_name, child in command.commands.items():
            yield from list_help(child, f"{name} {child_name}")


@pytest.mark.parametrize("pattern", WRONG_WORDS)
def test_no_text_uses_one_word_for_another(pattern: str) -> None:
    found = [
        f"{place}: '{' '.join(match.split())}' is a {WRONG_WORDS[pattern]}"
        for place, text in list_texts()
        for match in re.findall(pattern, " ".join(text.split()))
    ]
    assert found == []


def test_no_definition_begins_with_of() -> None:
    found = [
        f"{path}: {line.strip()}"
        for path in list_files()
        if path.parts[0] == "workbench" and path.suffix == ".py"
        for line in (read_text(path) or "").splitlines()
        if re.match(r'\s+(?:"""|#: )?Of ', line)
    ]
    assert found == []
