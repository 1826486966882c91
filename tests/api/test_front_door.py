"""`import workbench as wb`: few names, each with help, imported when it is first used."""

from __future__ import annotations

import ast
import inspect
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
    assert 20 <= len(names) <= 30


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
