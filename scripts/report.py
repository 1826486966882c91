"""`make report`: every notebook executed from top to bottom, as HTML that opens without a network.

    .venv/bin/python -m scripts.report [--size full|smoke] [--output FOLDER] [NOTEBOOK ...]

A notebook runs with the values of its cell of parameters; at smoke size with those of notebooks/smoke.toml
instead. What it measures is kept in OUTPUT/work: run again, it goes on where it was. A page holds Plotly's
script once and every chart as its data; its security policy forbids it to load anything.
"""

from __future__ import annotations

import argparse
import copy
import html
import json
import shutil
import sys
import time
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbconvert import HTMLExporter
from papermill.exceptions import PapermillExecutionError
from plotly.offline import get_plotlyjs
from pygments.formatters import HtmlFormatter

_ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = _ROOT / "notebooks"
SMOKE = NOTEBOOKS / "smoke.toml"
_PLOTLY = "application/vnd.plotly.v1+json"
_WIDGET = "application/vnd.jupyter.widget-view+json"
# Plotly's parallel coordinates make functions of text; pictures are data of the page itself.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
_STYLE = """
body { margin: 0 auto; max-width: 1180px; padding: 1rem 1.5rem 4rem; color: #1f2933; line-height: 1.5;
       font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .6rem; }
h1 { margin-top: .5rem; }
a { color: #1a6f9c; }
.anchor-link { display: none; }
pre, code { font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", monospace; }
.highlight { background: #f5f7f9; border: 1px solid #e3e8ed; border-radius: 4px; padding: .1rem .8rem;
             overflow-x: auto; margin: .8rem 0 .4rem; }
.output_text pre, .output_subarea pre { white-space: pre-wrap; margin: .4rem 0; }
.output_subarea, .text_cell_render { overflow-x: auto; }
.output_stderr pre { color: #8a4b08; }
.output_error pre { color: #a11d33; }
table, table[border] { border: 0; border-collapse: collapse; font-size: 12px; margin: .6rem 0; }
th, td { padding: .25rem .4rem; border: 0; border-bottom: 1px solid #e3e8ed; text-align: right;
         vertical-align: top; white-space: nowrap; }
th { background: #f5f7f9; }
td.words, th.words { text-align: left; }
.prompt, .prompt_container { display: none; }
.chart { min-height: 160px; }
.failed { color: #a11d33; }
.small { color: #66727f; font-size: 13px; }
"""


@dataclass(frozen=True)
class Page:
    """One executed notebook.

    Parameters
    ----------
    stem, title : str
    elapsed_s : float
    failure : str
        One line; empty if it ran to its end.
    """

    stem: str
    title: str
    elapsed_s: float
    failure: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the report; 1 if a notebook failed."""
    parser = argparse.ArgumentParser(
        prog="make report", description=__doc__.split("\n")[0] if __doc__ else ""
    )
    parser.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="Such as 03; all by default.")
    parser.add_argument("--size", choices=["full", "smoke"], default="full")
    parser.add_argument("--output", type=Path, default=_ROOT / "build" / "report")
    given = parser.parse_args(arguments)
    paths = [
        path
        for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
        if not given.notebooks or any(path.stem.startswith(name) for name in given.notebooks)
    ]
    if not paths:
        parser.error(f"no notebook begins with {' or '.join(given.notebooks)}")
    smoke = tomllib.loads(SMOKE.read_text(encoding="utf-8")) if given.size == "smoke" else {}
    pages = []
    for number, path in enumerate(paths, start=1):
        print(f"[{number}/{len(paths)}] {path.name}, {given.size} size", flush=True)
        page = make_page(path, given.output, smoke.get(path.stem, {}))
        print(f"    {page.failure or 'done'} ({page.elapsed_s:.0f} s)", flush=True)
        pages.append(page)
        # After each: a report that is interrupted shows what there is.
        write_index(given.output, pages, given.size)
    print(given.output / "index.html")
    return 1 if any(page.failure for page in pages) else 0


def make_page(path: Path, output: Path, parameters: Mapping[str, Any]) -> Page:
    """Execute a notebook and write its page; one that fails is written as far as it came."""
    started_s = time.monotonic()
    notebook, failure = execute_notebook(path, output / "work" / path.stem, parameters)
    elapsed_s = time.monotonic() - started_s
    title = find_title(notebook) or path.stem
    (output / f"{path.stem}.html").write_text(render_page(notebook, title), encoding="utf-8")
    return Page(path.stem, title, elapsed_s, failure)


def execute_notebook(path: Path, work: Path, parameters: Mapping[str, Any]) -> tuple[Any, str]:
    """Execute a notebook in a folder, which keeps it.

    Returns
    -------
    notebook
        With its outputs, as far as it came.
    str
        Why it failed, in one line; empty if it ran to its end.
    """
    work.mkdir(parents=True, exist_ok=True)
    for module in path.parent.glob("*.py"):  # what a notebook imports from beside it
        shutil.copy(module, work)
    executed = work / path.name
    failure = ""
    with warnings.catch_warnings():
        # The client's own event loop and kernel connection, not the notebook's code.
        warnings.simplefilter("ignore")
        try:
            papermill.execute_notebook(
                str(path), str(executed), parameters=dict(parameters), progress_bar=False, cwd=str(work)
            )
        except PapermillExecutionError as error:
            failure = f"{error.ename}: {' '.join(str(error.evalue).split())[:300]}"
    read: Any = nbformat.read  # published without types
    return read(executed, as_version=4), failure


def find_title(notebook: Any) -> str:
    """The first heading; empty if there is none."""
    for cell in notebook.cells:
        for line in cell.source.split("\n") if cell.cell_type == "markdown" else ():
            if line.startswith("# "):
                return str(line[2:].strip())
    return ""


def render_page(notebook: Any, title: str) -> str:
    """A whole page of an executed notebook; nothing in it points outside but links to follow."""
    shown = copy.deepcopy(notebook)
    count = replace_outputs(shown)
    make_exporter: Any = HTMLExporter  # published without types
    exporter = make_exporter(template_name="basic")
    exporter.exclude_anchor_links = True
    body, _ = exporter.from_notebook_node(shown)
    script = f"<script>{get_plotlyjs()}</script>" if count else ""
    colors = HtmlFormatter().get_style_defs(".highlight")
    back = '<p class="small"><a href="index.html">all notebooks</a></p>'
    # Links between notebooks go to their pages.
    body = body.replace('.ipynb"', '.html"')
    return _wrap(title, f"{back}{body}", head=f"<style>{colors}</style>{script}")


def _wrap(title: str, body: str, head: str = "") -> str:
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>{head}</head>\n"
        f"<body>{body}</body></html>\n"
    )


def replace_outputs(notebook: Any) -> int:
    """Turn charts into data and a call of Plotly, widgets into a sentence; returns the number of charts."""
    notebook.metadata.pop("widgets", None)
    count = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if _PLOTLY in data:
                output["data"] = {"text/html": _render_chart(data[_PLOTLY], f"chart-{count}")}
                count += 1
            elif _WIDGET in data:
                words = "A panel with live charts stands here in JupyterLab."
                output["data"] = {"text/html": f'<p class="small">{words}</p>'}
    return count


def _render_chart(figure: Mapping[str, Any], name: str) -> str:
    # "</script>" in a text would end the script.
    data, layout = (json.dumps(figure.get(part, {})).replace("</", "<\\/") for part in ("data", "layout"))
    height = figure.get("layout", {}).get("height", 450)
    options = "{responsive: true, displaylogo: false}"
    return (
        f'<div class="chart" id="{name}" style="height:{float(height):.0f}px"></div>'
        f'<script>Plotly.newPlot("{name}", {data}, {layout}, {options});</script>'
    )


def write_index(output: Path, pages: Sequence[Page], size: str) -> None:
    """Write the list of all pages, with what failed; those of an earlier run that were not asked for stay."""
    rows = "".join(map(_render_row, pages))
    others = sorted(
        path.stem for path in output.glob("[0-9]*.html") if path.stem not in {page.stem for page in pages}
    )
    before = "".join(f'<li><a href="{stem}.html">{html.escape(stem)}</a></li>' for stem in others)
    body = (
        f"<h1>Notebooks, executed</h1><p>Each was run from top to bottom at {size} size; the pages need no "
        "network. What they show was measured on the machine that made them.</p>"
        '<table><tr><th class="words">notebook</th><th class="words">file</th><th>took</th>'
        f'<th class="words">came to</th></tr>{rows}</table>'
        + (f"<p>From an earlier report:</p><ul>{before}</ul>" if before else "")
    )
    (output / "index.html").write_text(_wrap("Notebooks, executed", body), encoding="utf-8")


def _render_row(page: Page) -> str:
    kind = "words failed" if page.failure else "words"
    return (
        f'<tr><td class="words"><a href="{page.stem}.html">{html.escape(page.title)}</a></td>'
        f'<td class="words">{html.escape(page.stem)}</td><td>{page.elapsed_s:.0f} s</td>'
        f'<td class="{kind}">{html.escape(page.failure) or "done"}</td></tr>'
    )


if __name__ == "__main__":
    sys.exit(main())
