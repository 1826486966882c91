"""An executed notebook of the reference in a browser without a network: its charts are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import BrowserContext, Route

from scripts import docs

v4: Any = nbformat.v4  # published without types
FIGURES = """
import pandas as pd
from workbench.plots import draw_effects, draw_front, draw_heat_map, draw_parallel
rows = [
    {"id": f"{slots} {grow}", "slots": slots, "grow": grow, "status": "completed",
     "operations_per_s": 1e6 * (slots + grow), "peak_resident_bytes": 1e6 * slots * (3 if grow > 70 else 1)}
    for slots in (64, 128, 256) for grow in (60, 80)
]
frame = pd.DataFrame(rows)
for figure in (
    draw_effects(frame, "operations_per_s"), draw_heat_map(frame, "slots", "grow", "operations_per_s"),
    draw_parallel(frame, "operations_per_s"), draw_front(frame),
):
    display(figure)
"""


def test_pages_open_and_draw_without_a_network(context: BrowserContext, tmp_path: Path) -> None:
    notebook = v4.new_notebook(cells=[v4.new_markdown_cell("# Charts"), v4.new_code_cell(FIGURES)])
    notebook.cells[1].metadata["tags"] = ["parameters"]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata["language_info"] = {"name": "python"}
    path = tmp_path / "99_charts.ipynb"
    write: Any = nbformat.write
    write(notebook, path)
    assert docs.execute_notebook(path, tmp_path / "work", {}) == ""
    pages = {name: docs.list_pages()[name] for name in ("conf.py", "docs/site.css")}
    pages["index.md"] = b"# Gallery\n```{toctree}\nnotebooks/99_charts\n```\n"
    pages["notebooks/99_charts.ipynb"] = docs.show_outputs(tmp_path / "work" / path.name).encode()
    status, site = docs.build_site(tmp_path / "out", pages)
    assert status == 0

    page = context.new_page()
    asked: list[str] = []
    wrong: list[str] = []

    def refuse(route: Route) -> None:
        if route.request.url.startswith("file:"):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", refuse)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    try:
        page.goto((site / "index.html").as_uri())
        page.get_by_role("link", name="Charts").first.click()
        page.wait_for_function("document.querySelectorAll('.plotly-graph-div > .plot-container').length == 4")
        page.wait_for_selector("text=Pareto front")
        drawn = page.evaluate(
            "[...document.querySelectorAll('.plotly-graph-div')].map(chart => "
            "chart.querySelector('.main-svg').getBoundingClientRect().height)"
        )
        assert all(height > 150 for height in drawn)
        assert page.locator(".plotly-graph-div .parcoords").count() >= 1
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        page.close()
    assert (asked, wrong) == ([], [])
