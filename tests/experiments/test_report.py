"""Executed notebooks as pages: whole, without a word to the outside, and honest about what failed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest

from scripts import report

v4: Any = nbformat.v4  # published without types
CHART = """
import plotly.graph_objects as go
figure = go.Figure(go.Scatter(x=[1, 2], y=[3, 4]))
figure.update_layout(title={"text": "</script><b>a title</b>"}, height=300)
figure
"""


def make_notebook(folder: Path, *cells: str) -> Path:
    path = folder / "99_made_up.ipynb"
    code = [v4.new_code_cell(source) for source in cells]
    code[0].metadata["tags"] = ["parameters"]
    markdown = "# A made-up notebook\nsee [another](01_live_tuning.ipynb)"
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell(markdown), *code])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata["language_info"] = {"name": "python"}
    write: Any = nbformat.write  # published without types
    write(notebook, path)
    return path


def test_a_page_holds_its_charts_and_loads_nothing(tmp_path: Path) -> None:
    path = make_notebook(tmp_path, "COUNT = 1", "print(COUNT * 21)", CHART, CHART)
    page = report.make_page(path, tmp_path / "out", {"COUNT": 2})
    assert (page.stem, page.title, page.failure) == ("99_made_up", "A made-up notebook", "")
    text = (tmp_path / "out" / "99_made_up.html").read_text()
    assert "<pre>42\n</pre>" in text
    assert text.count("Plotly.newPlot(") == 2
    assert text.count("plotly.js v") == 1  # the script itself, once
    assert "default-src 'none'" in text
    assert 'href="01_live_tuning.html"' in text
    assert "<\\/script><b>a title" in text
    # Nothing is fetched: every source and style is in the page.
    markup = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"<script[^>]*\ssrc=|<link\s|@import|url\(http|<iframe|<img[^>]+src=.http", markup)


def test_a_page_without_charts_has_no_script(tmp_path: Path) -> None:
    path = make_notebook(tmp_path, "COUNT = 1")
    report.make_page(path, tmp_path / "out", {})
    assert "<script" not in (tmp_path / "out" / "99_made_up.html").read_text()


def test_what_fails_is_told_and_shown_as_far_as_it_came(tmp_path: Path) -> None:
    path = make_notebook(tmp_path, "COUNT = 1", "print('so far')", "raise ValueError('<no further>')")
    page = report.make_page(path, tmp_path / "out", {})
    assert page.failure == "ValueError: <no further>"
    assert "so far" in (tmp_path / "out" / "99_made_up.html").read_text()
    report.write_index(tmp_path / "out", [page, report.Page("98_fine", "Fine", 1.0)], "smoke")
    index = (tmp_path / "out" / "index.html").read_text()
    assert "ValueError: &lt;no further&gt;" in index
    assert '<a href="98_fine.html">Fine</a>' in index


def test_main_runs_what_is_asked_for_and_says_if_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_notebook(tmp_path, "COUNT = 1", "assert COUNT == 5")
    smoke = tmp_path / "smoke.toml"
    smoke.write_text("[99_made_up]\nCOUNT = 5\n")
    monkeypatch.setattr(report, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(report, "SMOKE", smoke)
    output = tmp_path / "out"
    assert report.main(["--size", "smoke", "--output", str(output), "99"]) == 0
    assert report.main(["--output", str(output)]) == 1
    assert "AssertionError" in capsys.readouterr().out
    with pytest.raises(SystemExit) as refused:
        report.main(["--output", str(output), "12"])
    assert refused.value.code == 2
    assert "no notebook begins with 12" in capsys.readouterr().err


def test_every_smoke_value_is_a_parameter_of_its_notebook() -> None:

    read: Any = nbformat.read
    for stem, values in tomllib.loads(report.SMOKE.read_text()).items():
        notebook = read(report.NOTEBOOKS / f"{stem}.ipynb", as_version=4)
        cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        assert set(values) <= set(re.findall(r"(?m)^(\w+) =", cell.source)), stem
