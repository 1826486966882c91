"""Notebooks on pages: executed at a size, charts as data, and honest about what failed."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest

from scripts import docs

v4: Any = nbformat.v4  # published without types
read: Any = nbformat.read
CHART = """
import plotly.graph_objects as go
figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))
figure.update_layout(title={"text": "</script><b>a title</b>"}, height=300)
figure
"""


def make_notebook(folder: Path, *cells: str) -> None:
    code = [v4.new_code_cell(source) for source in cells]
    code[0].metadata["tags"] = ["parameters"]
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# A made-up notebook"), *code])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata["language_info"] = {"name": "python"}
    write: Any = nbformat.write
    write(notebook, folder / "99_made_up.ipynb")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "beside.py").write_text("FACTOR = 21\n")
    (tmp_path / "smoke.toml").write_text("[99_made_up]\nCOUNT = 2\n")
    monkeypatch.setattr(docs, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(docs, "SMOKE", tmp_path / "smoke.toml")
    return tmp_path


def execute(folder: Path, size: str, chosen: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    problems: list[str] = []
    (page,) = docs.execute_notebooks(folder / "out", size, chosen, problems).values()
    return "".join(str(cell.get("outputs")) for cell in json.loads(page)["cells"]), problems


def test_a_page_holds_the_outputs_of_its_size_and_charts_as_data(folder: Path) -> None:
    make_notebook(folder, "COUNT = 1", "from beside import FACTOR\nprint(COUNT * FACTOR)", CHART, CHART)
    assert execute(folder, "none")[0].replace("None", "").strip("[]") == ""
    text, problems = execute(folder, "smoke", ("99",))
    assert problems == []
    assert "42" in text
    assert text.count("Plotly.newPlot(") == 2
    assert "a title" in text
    assert "</script><b>" not in text  # it would end the script
    changed_s = (folder / "out" / "99_made_up" / "99_made_up.ipynb").stat().st_mtime
    assert execute(folder, "smoke") == (text, [])
    assert (folder / "out" / "99_made_up" / "99_made_up.ipynb").stat().st_mtime == changed_s


def test_what_fails_is_told_shown_as_far_as_it_came_and_tried_again(folder: Path) -> None:
    make_notebook(folder, "COUNT = 1", "print('so far')", "raise ValueError(f'<no further than {COUNT}>')")
    text, problems = execute(folder, "full")
    assert problems == ["99_made_up.ipynb: ValueError: <no further than 1>"]
    assert "so far" in text
    assert not (folder / "out" / "99_made_up" / "99_made_up.ipynb").exists()


def test_every_smoke_value_is_a_parameter_of_its_notebook() -> None:
    for stem, values in tomllib.loads(docs.SMOKE.read_text()).items():
        notebook = read(docs.NOTEBOOKS / f"{stem}.ipynb", as_version=4)
        cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        assert set(values) <= set(re.findall(r"(?m)^(\w+) =", cell.source)), stem
