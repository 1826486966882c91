"""`import workbench as wb`: few names, each with help, imported when it is first used."""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import workbench as wb

SOURCE = Path(wb.__file__)


def run_python(code: str) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_it_carries_a_session_in_about_25_names() -> None:
    names = [name for name in dir(wb) if not name.startswith("_")]
    assert sorted(names) == sorted(wb.__all__)
    assert 20 <= len(names) <= 34


@pytest.mark.parametrize("name", wb.__all__)
def test_each_name_is_there_and_has_help(name: str) -> None:
    value = getattr(wb, name)
    assert inspect.getdoc(value)
    # A name that is a room, too, would be the room once somebody imports it.
    assert name == "plots" or not (SOURCE.parent / name).exists()


def test_editors_and_mypy_know_the_same_names() -> None:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(typed) == set(wb.__all__)
    for name, module in typed.items():
        assert getattr(wb, name) is getattr(__import__(module or "", fromlist=[name]), name)


def test_importing_it_imports_nothing_else() -> None:
    code = "import sys; old = {*sys.modules}; import workbench as wb; dir(wb); print(*{*sys.modules} - old)"
    others = {
        name for name in run_python(code).split() if name.partition(".")[0] not in sys.stdlib_module_names
    }
    assert others == {"workbench"}


def test_a_run_needs_no_tables() -> None:
    code = (
        "import sys, workbench as wb; wb.run, wb.attach, wb.export_settings; print('pandas' in sys.modules)"
    )
    assert run_python(code) == "False\n"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'workbench' has no attribute 'comparee'"):
        wb.comparee  # type: ignore[attr-defined]  # noqa: B018


NOTEBOOKS = sorted((SOURCE.parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_reaches_the_workbench_by_the_front_door(notebook: Path) -> None:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert list_strays(code) == []


def test_a_way_round_the_front_door_is_seen() -> None:
    assert list_strays("import workbench as wb; wb.run; wb.plots.draw_live") == []
    for code in ("from workbench.api import running", "import workbench.plots", "import workbench"):
        assert list_strays(code)
    for code in ("wb.experiments", "wb.plots.charts", "wb.api.running.run"):
        assert list_strays(code)


def list_strays(code: str) -> list[str]:
    """Imports of the package in any other form, and names of it that it does not offer."""
    tree = ast.parse(code)
    strays = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "workbench":
            strays.append(ast.unparse(node))
        elif isinstance(node, ast.Import):
            names = [alias for alias in node.names if alias.name.partition(".")[0] == "workbench"]
            strays += [alias.name for alias in names if (alias.name, alias.asname) != ("workbench", "wb")]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("wb", "wb.plots"):
            offered = wb.__all__ if ast.unparse(node.value) == "wb" else wb.plots.__all__
            strays += [ast.unparse(node)] if node.attr not in offered else []
    return strays
