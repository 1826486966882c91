"""Notebook 05 runs from top to bottom without anybody, at smoke size, and again from what is kept."""

from __future__ import annotations

import tomllib
import warnings
from pathlib import Path
from typing import Any

import nbformat
import papermill

NAME = "05_autotune_and_export.ipynb"
SAID = ("2 trials:", "conservative, hot, off, full", "best settings of the search", "the defaults", "plotly")


def test_it_is_committed_clean(notebooks: Path) -> None:
    read: Any = nbformat.read  # published without types
    notebook = read(notebooks / NAME, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in code if "parameters" in cell.metadata.get("tags", [])] == code[:1]
    for cell in code:
        assert (cell.outputs, cell.execution_count) == ([], None)
        # Notebooks only call: what is longer belongs to the library.
        assert "def " not in cell.source
        assert "class " not in cell.source
        assert len(cell.source.splitlines()) <= 12


def test_it_runs_unattended_and_again_from_what_is_kept(notebooks: Path, tmp_path: Path) -> None:
    smoke = tomllib.loads((notebooks / "smoke.toml").read_text())[Path(NAME).stem]
    for _ in range(2):
        with warnings.catch_warnings():
            # The client's own event loop and kernel connection, not the notebook's code.
            warnings.simplefilter("ignore")
            executed = papermill.execute_notebook(
                str(notebooks / NAME),
                str(tmp_path / NAME),
                parameters=smoke,
                progress_bar=False,
                cwd=str(tmp_path),
            )
        outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
        text = "\n".join(str(output.get("text", "")) + str(output.get("data", {})) for output in outputs)
        for words in SAID:
            assert words in text
    assert (tmp_path / "autotune.db").exists()
