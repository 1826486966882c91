"""Notebook 08 records a session, repeats it and finds it the same; what it is given wrong is one line."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import papermill
import psutil
import pytest


def execute(notebooks: Path, folder: Path, **parameters: Any) -> str:
    with warnings.catch_warnings():
        # The client's own event loop and kernel connection, not the notebook's code.
        warnings.simplefilter("ignore")
        notebook = papermill.execute_notebook(
            str(notebooks / "08_record_and_replay.ipynb"),
            str(folder / "out.ipynb"),
            parameters=parameters,
            progress_bar=False,
            cwd=str(folder),
        )
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(str(output.get("text", "")) + str(output.get("data", {})) for output in outputs)


def find_orphans() -> set[int]:
    """Runs whose starter is gone."""
    return {
        process.pid
        for process in psutil.process_iter(["name", "ppid"])
        if process.info["name"] == "hakmem-run" and process.info["ppid"] == 1
    }


def test_it_runs_unattended(notebooks: Path, tmp_path: Path) -> None:
    text = execute(notebooks, tmp_path, operations=20_000_000, sessions='it\'s "mine"')
    assert "the same, event for event" in text
    assert "plotly" in text
    folder = tmp_path / 'it\'s "mine"'
    assert len(list(folder.glob("*.session"))) == 2
    assert len(list(folder.glob("*repeated.ipynb"))) == 1


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"workload": "larson; rm -rf ~"}, "unknown workload"),
        ({"operations": -5}, "operations: -5 is out of range"),
        ({"seed": "1e999"}, "seed"),
        ({"grow_percent": "__import__('os').abort()"}, "tls.grow_percent"),
    ],
)
def test_hostile_parameters_are_one_clear_line(
    notebooks: Path, tmp_path: Path, parameters: dict[str, Any], told: str
) -> None:
    before = find_orphans()
    with pytest.raises(papermill.PapermillExecutionError) as caught:
        execute(notebooks, tmp_path, **{"operations": 2_000_000_000, **parameters})
    assert told in caught.value.evalue
    assert "\n" not in caught.value.evalue.strip()
    assert find_orphans() <= before
