"""The chart of `make bench`: ours against the best peer, a line a row, as SVG."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from urllib.parse import unquote

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright
from plotly.offline import get_plotlyjs

from benchmarks.peers_tables import OURS, Row
from workbench.errors import BadParameter

_WIDTH_PX, _ROW_PX, _FRAME_PX = 900, 17, 130
_LEAST_SHARE, _MOST_SHARE = 0.1, 10.0
_AHEAD, _BEHIND, _LEVEL = "#2a9d8f", "#c9506a", "#7d8b99"
_PEER_MARKS = {"glibc": "line-ns-open", "jemalloc": "x-thin-open", "tcmalloc": "circle-open",
               "mimalloc2": "diamond-open", "mimalloc3": "square-open"}  # fmt: skip
_PEER_COLOR = "#a8b0b8"


def draw_chart(rows: Sequence[Row]) -> str:
    """The chart's SVG.

    Raises
    ------
    BadParameter
        Without a Chromium to draw it.
    """
    return _render(_build_figure([row for row in rows if row.best_ratio is not None]))


def _build_figure(rows: Sequence[Row]) -> go.Figure:
    figure = go.Figure()
    for peer, symbol in _PEER_MARKS.items():
        kept = [row for row in rows if peer in row.speed]
        if kept:
            figure.add_trace(
                go.Scatter(
                    x=[row.speed[peer] / row.speed[row.best_peer] for row in kept],
                    y=[_label(row) for row in kept],
                    mode="markers",
                    marker={
                        "symbol": symbol,
                        "size": 6,
                        "color": _PEER_COLOR,
                        "line": {"color": _PEER_COLOR},
                    },
                    name=peer,
                )
            )
    for color, name in ((_AHEAD, "ahead"), (_BEHIND, "behind"), (_LEVEL, "level")):
        kept = [row for row in rows if _judge(row) == name]
        if kept:
            figure.add_trace(_draw_ours(kept, color, f"{OURS}: {name}"))
    figure.add_vline(x=1.0, line={"color": "#444444", "width": 1})
    figure.update_xaxes(
        type="log",
        range=[math.log10(_LEAST_SHARE), math.log10(_MOST_SHARE)],
        tickvals=[0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10],
        title_text="speed, as a share of the best peer's (95 % interval); what lies outside is not drawn",
    )
    order = [_label(row) for row in rows][::-1]
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=order,
        range=[-0.7, len(rows) - 0.3],
        automargin=True,
        tickfont={"size": 10},
        dtick=1,
    )
    figure.update_layout(
        template="plotly_white",
        width=_WIDTH_PX,
        height=_FRAME_PX + _ROW_PX * max(len(rows), 3),
        margin={"l": 20, "r": 20, "t": 60, "b": 50},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0.0},
    )
    return figure


def _draw_ours(rows: Sequence[Row], color: str, name: str) -> go.Scatter:
    ratios = [row.best_ratio for row in rows]
    # Without enough rounds there is no interval: then a point alone.
    up = [ratio.high - ratio.estimate if ratio and ratio.low > 0 else 0.0 for ratio in ratios]
    down = [ratio.estimate - ratio.low if ratio and ratio.low > 0 else 0.0 for ratio in ratios]
    return go.Scatter(
        x=[ratio.estimate if ratio else None for ratio in ratios],
        y=[_label(row) for row in rows],
        error_x={"type": "data", "array": up, "arrayminus": down, "thickness": 1.5, "width": 3},
        mode="markers",
        marker={"color": color, "size": 7},
        name=name,
    )


def _judge(row: Row) -> str:
    ratio = row.best_ratio
    if ratio is None or ratio.low <= 1 <= ratio.high:
        return "level"
    return "ahead" if ratio.low > 1 else "behind"


def _label(row: Row) -> str:
    return f"{row.name} / {row.threads}" if row.threads else row.name


def _render(figure: go.Figure) -> str:
    browser_path = shutil.which("chromium")
    if browser_path is None:
        raise BadParameter("the chart needs chromium; apt-get install chromium")
    content = json.loads(figure.to_json())
    size = {"format": "svg", "width": figure.layout.width, "height": figure.layout.height}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        try:
            page = browser.new_page()
            page.add_script_tag(content=get_plotlyjs())
            image: str = page.evaluate("([figure, size]) => Plotly.toImage(figure, size)", [content, size])
        finally:
            browser.close()
    return unquote(image.partition(",")[2]) + "\n"
