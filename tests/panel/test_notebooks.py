"""The notebooks run from top to bottom without anybody, and are committed without outputs."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = ("01_live_tuning.ipynb", "07_attach_to_a_program.ipynb", "08_record_and_replay.ipynb")


def read_notebook(notebooks: Path, name: str) -> Any:
    read: Any = nbformat.read  # published without types
    return read(notebooks / name, as_version=4)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_is_committed_clean(notebooks: Path, name: str) -> None:
    notebook = read_notebook(notebooks, name)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            # Notebooks only call: what is longer belongs to the library.
            assert "def " not in cell.source
            assert "class " not in cell.source
            # A closed widget leaves an empty output; the kernel's end closes it.
            assert "panel.close" not in cell.source


@pytest.mark.parametrize(
    ("name", "told"),
    [("01_live_tuning.ipynb", "completed after"), ("07_attach_to_a_program.ipynb", "attached to")],
)
def test_it_runs_unattended(notebooks: Path, tmp_path: Path, name: str, told: str) -> None:
    notebook = read_notebook(notebooks, name)
    client = NotebookClient(
        notebook, timeout=120, store_widget_state=False, resources={"metadata": {"path": str(tmp_path)}}
    )
    with warnings.catch_warnings():
        # The client's own event loop and kernel connection, not the notebook's code.
        warnings.simplefilter("ignore")
        client.execute()
    texts = [
        str(output.get("text", "")) + str(output.get("data", {}))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    assert any(told in text for text in texts), texts
    assert any("plotly" in text for text in texts)
