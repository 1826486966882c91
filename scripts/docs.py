"""`make docs`: the project's pages, its notebooks and its reference as a site that opens without a network.

    .venv/bin/python -m scripts.docs [--size none|smoke|full] [--output FOLDER] [NOTEBOOK ...]

OUTPUT/source holds what Sphinx reads: copies of the project's pages, at the same places so that their links
hold; the notebooks, executed; and the pages of the reference, made from the code. `make report` is the same
with the notebooks at full size. A notebook runs with the values of its cell of parameters, at smoke size with
those of notebooks/smoke.toml; what it measures is kept, so that it goes on where it was. A broken link, a
public name without a docstring and a page that would load something from the network are errors.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import sys
import tomllib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from plotly.io import to_html
from plotly.offline import get_plotlyjs
from sphinx.cmd.build import main as build

from scripts import reference_pages
from scripts.public_names import find_undocumented, list_rooms
from workbench.allocators import allocators
from workbench.control import ControlBlock
from workbench.processes import Run, Worker

_ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = _ROOT / "notebooks"
SMOKE = NOTEBOOKS / "smoke.toml"
_PAGES = (
    "*.md",
    "LICENSE",
    "docs/*",
    "docs/*/*",
    "native/README.md",
    "datasets/README.md",
    "datasets/*.toml",
)
_PLOTLY = "_static/plotly.min.js"
# Charts are drawn while the page is read, before the column beside them takes its room.
_CHARTS = (
    f'<script src="../{_PLOTLY}"></script>'
    '<script>addEventListener("load", () => dispatchEvent(new Event("resize")))</script>'
)
# What a browser loads by itself; a link that a reader follows may lead anywhere.
_LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(?:https?:)?//[^>]*>|<link\b[^>]*\bhref=\"(?:https?:)?//[^>]*>"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the site; 1 if anything is wrong with it."""
    parser = argparse.ArgumentParser(prog="make docs", description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "notebooks", nargs="*", metavar="NOTEBOOK", help="Execute these, such as 03, not all."
    )
    parser.add_argument("--size", choices=["none", "smoke", "full"], default="smoke")
    parser.add_argument("--output", type=Path, default=_ROOT / "build" / "docs")
    given = parser.parse_args(arguments)
    problems = [f"{name} is public and has no docstring" for name in find_undocumented()]
    executed = execute_notebooks(
        given.output / f"notebooks-{given.size}", given.size, tuple(given.notebooks), problems
    )
    status, site = build_site(given.output, list_pages() | write_reference() | executed)
    problems += list(find_loaded(site))
    for problem in problems:
        print(f"docs: {problem}", file=sys.stderr)
    print(site / "index.html")
    return 1 if status or problems else 0


def build_site(output: Path, pages: Mapping[str, bytes]) -> tuple[int, Path]:
    """Build a site of these pages; returns Sphinx's status, 0 without a warning, and the site's folder."""
    source, site = output / "source", output / "site"
    write_source(source, pages)
    options = ["-b", "html", "-W", "--keep-going", "-n", "-q", "-d", str(output / "doctrees")]
    status = build([*options, str(source), str(site)])
    write_if_changed(site / _PLOTLY, get_plotlyjs().encode())
    return status, site


def list_pages() -> dict[str, bytes]:
    """The project's own pages and pictures, by their place in the checkout."""
    paths = {path for pattern in _PAGES for path in _ROOT.glob(pattern) if path.is_file()}
    pages = {str(path.relative_to(_ROOT)): path.read_bytes() for path in paths}
    # Sphinx looks for its settings at the top, and so does a reader for the first page.
    return pages | {"conf.py": pages.pop("docs/conf.py"), "index.md": pages.pop("docs/index.md")}


def write_reference() -> dict[str, bytes]:
    """Make the pages that come from the code."""
    rooms = list_rooms()
    pages = {f"reference/{room.__name__}.md": reference_pages.write_room(room) for room in rooms}
    pages["reference/python.md"] = reference_pages.write_rooms(rooms)
    with open_blocks() as blocks:
        pages["reference/tunables.md"] = reference_pages.write_tunables(blocks)
        pages["reference/metrics.md"] = reference_pages.write_metrics(blocks)
    pages["reference/commands.md"] = reference_pages.write_commands()
    return {name: text.encode() for name, text in pages.items()}


@contextlib.contextmanager
def open_blocks() -> Iterator[list[ControlBlock]]:
    """Open a control block of each kind: the allocators' that are here, and that of a run that waits."""
    blocks = [
        allocator.block
        for allocator in allocators()
        if allocator.is_tunable and allocator.available and not allocator.in_process
    ]
    with Worker.start(Run("pair", seconds=1), paused=True) as worker:
        yield [*blocks, worker.workload_block]


def execute_notebooks(
    folder: Path, size: str, chosen: tuple[str, ...], problems: list[str]
) -> dict[str, bytes]:
    """Execute the notebooks that are newer than their last execution; adds what failed to `problems`.

    Those that are not chosen, all at the size "none", are as they were executed last, or have no outputs.
    """
    smoke = tomllib.loads(SMOKE.read_text(encoding="utf-8")) if size == "smoke" else {}
    newest = max(path.stat().st_mtime for path in NOTEBOOKS.iterdir() if path.suffix != ".ipynb")
    pages = {}
    for path in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")):
        executed = folder / path.stem / path.name
        is_old = not executed.exists() or executed.stat().st_mtime < max(path.stat().st_mtime, newest)
        failure = ""
        if is_old and size != "none" and path.name.startswith(chosen or ("",)):
            print(f"executing {path.name} at {size} size", flush=True)
            failure = execute_notebook(path, executed.parent, smoke.get(path.stem, {}))
        pages[f"notebooks/{path.name}"] = show_outputs(executed if executed.exists() else path).encode()
        if failure:  # shown as far as it came, and executed again the next time
            problems.append(f"{path.name}: {failure}")
            executed.unlink()
    return pages


def execute_notebook(path: Path, work: Path, parameters: Mapping[str, Any]) -> str:
    """Execute a notebook in a folder; returns why it failed, in one line, or an empty text.

    The folder keeps it with its outputs, as far as it came; one that was interrupted leaves nothing there.
    """
    work.mkdir(parents=True, exist_ok=True)
    for module in path.parent.glob("*.py"):  # what a notebook imports from beside it
        shutil.copy(module, work)
    for folder in path.parent.glob("programs"):  # what it measures
        shutil.copytree(folder, work / folder.name, dirs_exist_ok=True)
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


def show_outputs(executed: Path) -> str:
    """Turn the outputs of a notebook into what a page can show by itself; charts are data, widgets words."""
    read: Any = nbformat.read  # published without types
    notebook = read(executed, as_version=4)
    notebook.metadata.pop("widgets", None)
    notebook.cells = [
        cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])
    ]
    count = 0
    for output in [output for cell in notebook.cells for output in cell.get("outputs", [])]:
        data = output.get("data", {})
        if chart := data.get("application/vnd.plotly.v1+json"):
            options = {"full_html": False, "include_plotlyjs": False, "default_height": 450}
            shown = {"config": {"responsive": True, "displaylogo": False}, "div_id": f"chart-{count}"}
            output["data"] = {"text/html": to_html(chart, validate=False, **options, **shown)}
            count += 1
        elif "application/vnd.jupyter.widget-view+json" in data:
            words = "A panel with live charts stands here in JupyterLab."
            output["data"] = {"text/html": f'<p class="small">{words}</p>'}
    if count:
        first = next(cell for cell in notebook.cells if cell.cell_type == "markdown")
        first.source += f"\n\n{_CHARTS}"
    return json.dumps(notebook)


def write_source(source: Path, files: Mapping[str, bytes]) -> None:
    """Write what Sphinx reads, and nothing that is the same already; remove what is no page any more."""
    for name, content in files.items():
        write_if_changed(source / name, content)
    for path in source.rglob("*"):
        if path.is_file() and str(path.relative_to(source)) not in files:
            path.unlink()


def write_if_changed(path: Path, content: bytes) -> None:
    """Write a file, so that it is newer only if it differs."""
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def find_loaded(site: Path) -> Iterator[str]:
    """Find what pages would load from the network."""
    for page in sorted(site.rglob("*.html")):
        for found in _LOADED.findall(page.read_text(encoding="utf-8")):
            yield f"{page.relative_to(site)} loads from the network: {found[:120]}"


if __name__ == "__main__":
    sys.exit(main())
