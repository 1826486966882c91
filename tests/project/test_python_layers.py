"""Which room may use which library. (The order of the rooms is import-linter's, in pyproject.toml.)"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.project.tracked_files import list_files, read_text

# Library, and the only places that import it.
HOMES = {
    "ipywidgets": ("workbench/panel/",),
    "anywidget": ("workbench/panel/",),
    "plotly": ("workbench/plots/", "workbench/panel/"),
    "cffi": ("workbench/bindings/cffi_build.py",),
    "workbench._native": ("workbench/bindings/",),
    "workbench.bindings.native": ("workbench/bindings/",),  # ffi and lib, which have no types
    "subprocess": ("workbench/processes/",),
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


def test_the_cffi_module_is_imported_in_one_file() -> None:
    importers = [
        str(path)
        for path in list_files()
        if path.suffix == ".py"
        and path.parts[0] == "workbench"
        and "workbench._native._cffi" in list_imports(path)
    ]
    assert len(importers) <= 1
