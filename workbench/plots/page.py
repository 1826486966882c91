"""A page of figures that opens offline: one file, with Plotly in it."""

from __future__ import annotations

import html
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.display import render_html
from workbench.output_file import write_output
from workbench.plots.figures import draw_session
from workbench.sessions import Session

if TYPE_CHECKING:
    import plotly.graph_objects as go

_GENERATOR = "<meta name='generator' content='HAKMEM workbench'>"


def write_page(
    path: Path, title: str, facts: str, figures: Iterable[tuple[str, go.Figure]], rest: str = ""
) -> None:
    """Write figures, each with a name, as one HTML page that needs nothing else, no network either.

    `facts` is HTML that stands above the figures, and `rest` what stands below. BadParameter if the file
    holds something else than such a page, or cannot be written.
    """
    parts: list[str] = []
    for name, figure in figures:
        options = {"full_html": False, "div_id": name, "config": {"displaylogo": False}}
        parts.append(figure.to_html(include_plotlyjs=not parts, **options))
    heading = html.escape(title)
    page = (
        f"<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>{_GENERATOR}<title>{heading}</title>"
        "<style>body{font-family:sans-serif;max-width:1100px;margin:1em auto;padding:0 1em}</style></head>"
        f"<body><h1>{heading}</h1>{facts}\n" + "\n".join(parts) + f"\n{rest}</body></html>\n"
    )
    write_output(path, page, "a page of the workbench", lambda text: _GENERATOR in text)


def save_page(session: Session, path: str | os.PathLike[str] | None = None) -> Path:
    """Write a recorded session as one HTML page: its charts, which can be zoomed, its changes and its notes.

    Parameters
    ----------
    session : Session
    path : path, optional
        Beside the session's folder unless given. A page that is there is replaced.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    BadParameter
        If the file holds something else, or cannot be written.
    DamagedSession
        If the samples cannot be read.
    """
    page = session.path.with_suffix(".html") if path is None else Path(path)
    facts = session.facts
    command = html.escape(f"workbench sessions repeat {shlex.quote(session.path.name)}")
    again = f"<p>Repeat it: <code>{command}</code></p>" if session.spec is not None else ""
    rest = f"<h2>Changes and notes</h2>{render_html(session.to_table())}{again}"
    described = f"<p>{html.escape(facts.started)}, {html.escape(facts.status or 'unfinished')}</p>"
    figure = draw_session(session).update_layout(title_text="")
    write_page(page, facts.subject, described, [("session", figure)], rest)
    return page.absolute()
