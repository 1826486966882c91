"""The front end: the modules in `front/` joined into one script, and its style sheet.

A widget takes one script only, so the modules are joined here when the panel is first used: nothing has to
be built after an edit, and there is no list of files to keep. Joining is taking the lines `import` and the
words `export` away, and it is exact because it refuses what it cannot join: a circle of imports, two things
of one name, or an import of another form than `import { a, b } from "./file.js";`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from importlib import resources

ENTRY = "main.js"

_IMPORT = re.compile(r'^import \{([\w\s,]+)\} from "\./(\w+\.js)";\n', flags=re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default )", flags=re.MULTILINE)
_DEFINITION = re.compile(
    r"^(export )?(?:async )?(?:class|function\*?|const|let|var) (\w+)", flags=re.MULTILINE
)
_OTHER_FORM = re.compile(
    r"^(import\b.*|export (?!default |(?:async )?(?:class|function\*?|const|let) ).*)", flags=re.MULTILINE
)


@functools.cache
def read_script() -> str:
    """The front end as one module."""
    return join_modules(_read)


@functools.cache
def read_style() -> str:
    """The front end's style sheet."""
    return _read("style.css")


def _read(name: str) -> str:
    return (resources.files(__package__) / "front" / name).read_text(encoding="utf-8")


def join_modules(read: Callable[[str], str], entry: str = ENTRY) -> str:
    """Join a module and all that it imports into one; what is imported comes first.

    Parameters
    ----------
    read : callable
        Returns the text of a module by its file name.
    entry : str
        The module to begin with. Only its `export default` stays.

    Raises
    ------
    ValueError
        If the modules cannot be joined, with the file and the line or name.
    """
    joined: dict[str, str] = {}
    exported: dict[str, set[str]] = {}
    homes: dict[str, str] = {}

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in importers:
            raise ValueError(f"modules import each other in a circle: {' → '.join((*importers, name))}")
        if name in joined:
            return
        text = read(name)
        for wanted, other in _IMPORT.findall(text):
            add(other, (*importers, name))
            missing = set(re.findall(r"\w+", wanted)) - exported[other]
            if missing:
                raise ValueError(
                    f"{name} imports {', '.join(sorted(missing))}, which {other} does not export"
                )
        text = _IMPORT.sub("", text)
        if wrong := _OTHER_FORM.search(text):
            raise ValueError(f"{name}: this cannot be joined with the other modules: {wrong[1]}")
        if name != entry and "\nexport default " in text:
            raise ValueError(f"{name}: only {entry} has a default export")
        definitions = _DEFINITION.findall(text)
        for _, defined in definitions:
            if defined in homes:
                raise ValueError(f"{defined} is defined in {homes[defined]} and in {name}")
            homes[defined] = name
        exported[name] = {defined for is_exported, defined in definitions if is_exported}
        joined[name] = _EXPORT.sub("", text)

    add(entry, ())
    return "\n".join(joined.values())
