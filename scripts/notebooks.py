"""Notebooks executed from top to bottom, and their outputs as a page can show them without a network.

A notebook runs with the values of its cell of parameters; at smoke size with those of notebooks/smoke.toml
instead. What it measures is kept in its folder: run again, it goes on where it was.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import papermill
from papermill.exceptions import PapermillExecutionError
from plotly.io import to_html

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
SMOKE = NOTEBOOKS / "smoke.toml"
_PLOTLY = "application/vnd.plotly.v1+json"
_WIDGET = "application/vnd.jupyter.widget-view+json"


def execute_notebook(path: Path, work: Path, parameters: Mapping[str, Any]) -> str:
    """Execute a notebook in a folder; returns why it failed, in one line, or nothing.

    The folder keeps it with its outputs, as far as it came; one that was interrupted leaves nothing there.
    """
    work.mkdir(parents=True, exist_ok=True)
    for module in path.parent.glob("*.py"):  # what a notebook imports from beside it
        shutil.copy(module, work)
    shutil.copytree(path.parent / "programs", work / "programs", dirs_exist_ok=True)  # what it measures
    unfinished, failure = work / f"unfinished-{path.name}", ""
    with warnings.catch_warnings():
        # The client's own event loop and kernel connection, not the notebook's code.
        warnings.simplefilter("ignore")
        try:
            papermill.execute_notebook(
                str(path), str(unfinished), parameters=dict(parameters), progress_bar=False, cwd=str(work)
            )
        except PapermillExecutionError as error:
            failure = f"{error.ename}: {' '.join(str(error.evalue).split())[:300]}"
    unfinished.replace(work / path.name)
    return failure


def replace_outputs(notebook: Any) -> int:
    """Turn charts into data and a call of Plotly, widgets into a sentence; returns the number of charts."""
    notebook.metadata.pop("widgets", None)
    count = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if _PLOTLY in data:
                options = {"full_html": False, "include_plotlyjs": False, "default_height": 450}
                shown = {"config": {"responsive": True, "displaylogo": False}, "div_id": f"chart-{count}"}
                output["data"] = {"text/html": to_html(data[_PLOTLY], validate=False, **options, **shown)}
                count += 1
            elif _WIDGET in data:
                words = "A panel with live charts stands here in JupyterLab."
                output["data"] = {"text/html": f'<p class="small">{words}</p>'}
    return count
