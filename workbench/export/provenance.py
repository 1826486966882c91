"""Where exported values come from, as named lines of text that survive any comment syntax."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from workbench.allocators import Allocator, spell
from workbench.control import Value
from workbench.processes.machine import date_now, describe_origin

#: Named facts, in the order they are written.
Provenance = Mapping[str, str]

_FACT = re.compile(r"([a-z][a-z0-9 ]*): (.*)")
_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|U([0-9a-f]{8}))")
# '*/' and '/*' end or nest a C comment, '??' starts a trigraph.
UNSAFE_PAIRS = {"*/": "*\\u002f", "/*": "/\\u002a", "??": "?\\u003f"}


def describe_provenance(
    values: Mapping[str, Value],
    allocator: Allocator,
    *,
    workload: str | None = None,
    parameters: Mapping[str, float] | None = None,
    threads: Value | None = None,
    seed: Value | None = None,
    process: str | None = None,
) -> dict[str, str]:
    """Describe where `values` come from, ready for `write_defaults`.

    Parameters
    ----------
    workload, parameters, threads, seed
        The work they were tuned on, as far as it was one of the workbench.
    process : str, optional
        The program they were read from: its pid and command.

    Returns
    -------
    dict of str to str
        Facts in order; machine, kernel, CPU, versions and date (UTC) are added here.
    """
    changed = [
        f"{name} {spell(values[name])} (default {spell(default)})"
        for name, default in allocator.defaults.items()
        if name in values and values[name] != default
    ]
    facts = {
        "workload": workload,
        "parameters": " ".join(f"{name}={value:.15g}" for name, value in (parameters or {}).items()),
        "threads": threads,
        "seed": seed,
        "process": process,
        "allocator build": allocator.block.info.build,
        **describe_origin(),
        "date": date_now(),
        "changed": ", ".join(changed) or "nothing",
    }
    return {name: str(fact) for name, fact in facts.items() if fact not in (None, "")}


def render_provenance(provenance: Provenance) -> list[str]:
    """One line a fact, with nothing in it that could end a comment or continue its line."""
    return [f"{name}: {_escape(text)}" for name, text in provenance.items()]


def parse_provenance(comments: Iterable[str]) -> dict[str, str]:
    """Find the facts among the texts of comment lines."""
    matches = (_FACT.fullmatch(comment) for comment in comments)
    return {match[1]: _unescape(match[2]) for match in matches if match is not None}


def _escape(text: str) -> str:
    safe = "".join(
        character if character.isprintable() and character != "\\" else _escape_character(character)
        for character in text.strip()
    )
    for pair, replacement in UNSAFE_PAIRS.items():
        while pair in safe:
            safe = safe.replace(pair, replacement)
    return safe


def _escape_character(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), text)
