"""Notebooks that measure run from top to bottom unattended, at smoke size, and again from what is kept."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest

from scripts.docs import SMOKE, execute_notebook

PARAMETERS = tomllib.loads(SMOKE.read_text(encoding="utf-8"))
# What the outputs of each must say at that size.
SAID = {
    "03_compare_allocators.ipynb": ["2 rounds on", "peak resident", "cached", "cannot tell"],
    "04_sweep_thresholds.ipynb": ["4 runs, 0 failed", "tls.max_slots", "cannot tell"],
    "05_autotune_and_export.ipynb": [
        "2 trials:",
        "conservative, hot, off, full",
        "best settings of the search",
        "the defaults",
    ],
    "06_is_adaptive_better.ipynb": [
        "Route profiles: On random_mixed 256",
        "workbench compare",
        "cannot tell",
    ],
    "09_tune_the_allocator_you_have.ipynb": [
        "Python service: python3 web_service.py",
        "keep the defaults",
        "0 of 8 questions end with a setting to ship",
    ],
    "10_your_program.ipynb": [
        "requests",
        "processor time",
        "1 trials:",
        "the defaults",
        "nothing is exported",
    ],
    "11_live_experiment.ipynb": ["16 of 16 blocks", "tls.misses", "A is restored", "Tried for tls.misses"],
    "12_see_inside.ipynb": [
        "What if the caches of hakmem",
        "free in slabs",
        "allocated in the last",
        "in use, by",
        "lpInsert",
        "lost_bytes",
    ],
}


def read_notebook(path: Path) -> Any:
    read: Any = nbformat.read  # published without types
    return read(path, as_version=4)


@pytest.mark.parametrize("name", SAID)
def test_it_is_committed_clean(notebooks: Path, name: str) -> None:
    notebook = read_notebook(notebooks / name)
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


@pytest.mark.parametrize("name", SAID)
def test_it_runs_unattended_and_again_from_what_is_kept(notebooks: Path, tmp_path: Path, name: str) -> None:
    for _ in range(2):
        assert execute_notebook(notebooks / name, tmp_path, PARAMETERS[Path(name).stem]) == ""
        cells = read_notebook(tmp_path / name).cells
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        text = "\n".join(str(output.get("text", "")) + str(output.get("data", {})) for output in outputs)
        for words in (*SAID[name], "plotly"):
            assert words in text
    assert (tmp_path / "autotune.db").exists() == name.startswith("05")
