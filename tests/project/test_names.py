"""Above the room of allocators nothing knows an allocator, a tunable, a metric or an event by its name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.project.tracked_files import list_files, read_text
from workbench.allocators import allocators, get_allocator, rows
from workbench.control import ControlBlock

ROOM = "workbench/allocators/"
# What the project itself is called: its distribution, programs, folders, variables and formats of files.
OWN_NAMES = re.compile(
    r"\.?hakmem-(?:workbench|run|record|new|spool|\\d)[\w()?:.=/|$> -]*|(?:lib)?hakmem(?:-record)?\.so"
    r"|/dev/shm/hakmem-|hakmem[ .]session[\w.]*|\bhakmem\.(?:env|toml)\b|hakmem_defaults\.h"
    r"|HAKMEM_[A-Z_]+|HAKMEM workbench|__hakmemPlotly|hakmem\.h\b"
)
# Where the project's name stands by itself, as a folder in the user's cache and as a name of the command.
OWN_PLACES = {("workbench/traces/plan.py", "hakmem"), ("workbench/cli.py", "hakmem")}


def list_names() -> set[str]:
    """Names of allocators, and what every control block at hand describes."""
    names = {row.name for row in rows()} | {row.kind for row in rows() if row.kind}
    for allocator in allocators():
        if allocator.is_tunable and allocator.available:
            names |= list_described(get_allocator(allocator.name).block)
    return names


def list_described(block: ControlBlock) -> set[str]:
    """Tunables, metrics and kinds of events; none of plain words, such as an axis has."""
    return {
        name
        for name in (*block.tunables, *block.metrics, *block.event_kinds)
        if not name.isalpha() or name.isupper()
    }


def list_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a file; of a Python module its strings, without docstrings, which give examples."""
    if path.suffix != ".py":
        yield from enumerate((read_text(path) or "").splitlines(), start=1)
        return
    tree = ast.parse(read_text(path) or "")
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.lineno, node.value


def find_strays(names: set[str], texts: Iterator[tuple[int, str]]) -> list[tuple[int, str]]:
    """Lines with a name among them."""
    pattern = re.compile("|".join(rf"(?<![\w.]){re.escape(name)}(?![\w.])" for name in sorted(names)))
    return [(line, found[0]) for line, text in texts if (found := pattern.search(OWN_NAMES.sub("", text)))]


def test_no_name_stands_above_the_room_of_allocators() -> None:
    names = list_names()
    assert {"hakmem", "jemalloc", "tls.max_slots", "heap.live_bytes", "TLS_GROW"} <= names
    files = [
        path
        for path in list_files()
        if path.parts[0] == "workbench"
        and path.suffix in (".py", ".js", ".css")
        and not str(path).startswith(ROOM)
    ]
    assert len(files) > 100
    assert Path("workbench/panel/front/main.js") in files
    strays = [
        f"{path}:{line}: {name}"
        for path in files
        for line, name in find_strays(names, list_texts(path))
        if (str(path), name) not in OWN_PLACES
    ]
    assert strays == []


def test_a_name_is_found() -> None:
    names = {"hakmem", "tls.max_slots"}
    texts = [(1, "hakmem"), (2, "a tls.max_slots of 3"), (3, "tls.max_slots_of"), (4, "libhakmem.so")]
    assert find_strays(names, iter(texts)) == [(1, "hakmem"), (2, "tls.max_slots")]
