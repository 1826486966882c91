"""Which room may use which library; no circles of modules. (pyproject.toml has the order of the rooms.)"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.circles import find_circles
from tests.project.tracked_files import list_files, read_text

# Library, and the only places that import it.
HOMES = {
    "ipywidgets": ("workbench/panel/",),
    "anywidget": ("workbench/panel/",),
    "plotly": ("workbench/plots/", "workbench/panel/"),
    "cffi": ("workbench/bindings/cffi_build.py",),
    "symbolic": ("workbench/symbols/",),
    "pydemumble": ("workbench/symbols/",),
    "google": ("workbench/samples/",),
    "workbench._native": ("workbench/bindings/",),
    "workbench.bindings.native": ("workbench/bindings/",),  # ffi and lib, which have no types
    "subprocess": ("workbench/allocators/", "workbench/processes/", "workbench/probes/"),
    "multiprocessing": ("workbench/processes/",),
    "utils": (),
}


def list_imports(path: Path) -> set[str]:
    """Full names of the modules that a Python file imports, those of `from a import b` as a and a.b."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(read_text(path) or "")):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*path.parts[: len(path.parts) - node.level], *filter(None, [node.module])])
            imported.add(base)
            imported.update(f"{base}.{alias.name}" for alias in node.names)
    return imported


@pytest.mark.parametrize("library", HOMES)
def test_library_is_imported_only_at_home(library: str) -> None:
    strays = [
        str(path)
        for path in list_files()
        if path.suffix == ".py"
        and path.parts[0] == "workbench"
        and not str(path).startswith(HOMES[library] or "?")
        and any(name == library or name.startswith(f"{library}.") for name in list_imports(path))
    ]
    assert strays == []


def list_run_time_imports(path: Path) -> Iterator[tuple[str, str]]:
    """Module and name of each import in a file, also inside functions, but not for types alone."""
    tree = ast.parse(read_text(path) or "")
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node not in for_types:
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import) and node not in for_types:
            yield from ((alias.name, "") for alias in node.names)


def find_needs() -> dict[str, set[str]]:
    """Return the modules of the package that each one imports.

    A name that a room passes on, as in `from workbench.control import Value`, is of the module that has it.
    """
    paths = {
        ".".join(path.with_suffix("").parts): path
        for path in list_files()
        if path.suffix == ".py" and path.parts[0] == "workbench"
    }
    imports = {name: set(list_run_time_imports(path)) for name, path in paths.items()}

    def resolve(module: str, name: str) -> set[str]:
        room = f"{module}.__init__"
        passed_on = [known for known, item in imports.get(room, ()) if item == name]
        for candidate in (f"{module}.{name}", module):
            if candidate in paths:
                return {candidate}
        return set().union(*(resolve(known, name) for known in passed_on)) or {room} & paths.keys()

    needs = {
        name: set().union(*(resolve(*wanted) for wanted in imported)) - {name}
        for name, imported in imports.items()
    }
    return {name: needed for name, needed in needs.items() if not name.endswith("__init__")}


def test_no_module_needs_itself_through_others() -> None:
    needs = find_needs()
    assert "workbench.control.tunable" in needs["workbench.experiments.plan"]  # named by the room
    assert "workbench.control.discovery" in needs["workbench.cli"]  # inside a function
    assert find_circles(needs) == []


def test_the_cffi_module_is_imported_in_one_file() -> None:
    importers = [
        str(path)
        for path in list_files()
        if path.suffix == ".py"
        and path.parts[0] == "workbench"
        and "workbench._native._cffi" in list_imports(path)
    ]
    assert len(importers) <= 1
