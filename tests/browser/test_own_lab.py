"""The JupyterLab that `workbench lab` starts for somebody new: nothing covers the panel, no empty end."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from tests.cli.terminal import WORKBENCH, start, wait_until

DRAWING = """from IPython.display import HTML
HTML("<div style='height: 420px'>drawn</div>")"""


def make_notebook(folder: Path) -> None:
    """Like those of the workbench: drawings, and a text as its last cell."""
    code: dict[str, object] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": DRAWING,
    }
    cells = [code | {"id": f"code{number}"} for number in range(6)]
    text = {"cell_type": "markdown", "id": "end", "metadata": {}, "source": "The end."}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": [*cells, text], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "drawings.ipynb").write_text(json.dumps(whole))


def test_no_question_and_no_empty_end(context: BrowserContext, tmp_path: Path) -> None:
    make_notebook(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    others = ("JUPYTER", "XDG", "IPYTHON")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(others)}
    command = [WORKBENCH, "lab", "drawings.ipynb", "--json", "--no-browser"]
    log = tmp_path / "server.log"
    with (
        log.open("w") as errors,
        start(command, cwd=tmp_path, env=kept | {"HOME": str(home)}, stderr=errors) as lab,
    ):
        assert lab.stdout is not None
        url = json.loads(lab.stdout.readline())["url"]
        wait_until(lambda: lab.poll() is not None or "is running at" in log.read_text())
        page = context.new_page()
        page.goto(url)
        expect(page.get_by_text(re.compile(r"\| Idle$"))).to_be_visible(timeout=60_000)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_text("Run All Cells", exact=True).click()
        expect(page.get_by_text("drawn", exact=True)).to_have_count(6, timeout=60_000)
        # However far one scrolls, the last cell is at the lower end of the page and nothing empty below it.
        page.wait_for_function(
            """() => {
                const pane = document.querySelector('.jp-Notebook .jp-WindowedPanel-outer');
                pane.scrollTop = pane.scrollHeight;
                const cells = pane.querySelectorAll('.jp-Cell');
                const last = cells[cells.length - 1].getBoundingClientRect();
                const seen = pane.getBoundingClientRect();
                return pane.scrollTop > 0 && last.bottom <= seen.bottom && seen.bottom - last.bottom < 60;
            }""",
            polling=100,
        )
        expect(page.get_by_role("paragraph").filter(has_text="The end.")).to_be_in_viewport()
        # JupyterLab asks as soon as it has started: a page that runs cells would show it.
        expect(page.locator(".Toastify__toast")).to_have_count(0)
        page.close()
        lab.terminate()
    assert not list(home.rglob("*.jupyterlab-settings"))
