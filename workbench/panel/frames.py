"""Frames for the views: who sees what, when the next may go, and its bytes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from workbench.panel.protocol import Baseline, ChartPart, Frame
from workbench.plots.charts import Chart, select_rows_in_windows
from workbench.sessions import History, HistoryView

MAXIMUM_IN_FLIGHT = 2
ACK_TIMEOUT_S = 2.0
# A view that is silent so much longer than another is forgotten: its page is gone. If all are silent,
# the kernel's thread may be busy with a cell, and their answers wait for it.
FORGET_AFTER_S = 15.0
# A chart whose values stand still is still drawn now and then, so that time runs on it.
STILL_INTERVAL_S = 0.4
MAXIMUM_WIDTH_PX = 4000
BASELINE_WIDTH_PX = 400


@dataclass
class View:
    """What one view said last: charts in view, their width, the span of time shown, zooms."""

    seen_s: float
    visible: frozenset[str] = frozenset()
    width_px: int = 0
    span_s: float = 0.0
    zooms: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    in_flight: list[tuple[int, float]] = field(default_factory=list)
    is_late: bool = False


class ViewBook:
    """All views of a panel. At most `MAXIMUM_IN_FLIGHT` frames are unanswered by any of them.

    A view whose answer timed out holds back no other until it answers again; if all are late, each
    time-out lets a frame go.
    """

    def __init__(self) -> None:
        self.views: dict[str, View] = {}

    def note_hello(self, view: str, now_s: float) -> None:
        """A view came, came back, or asks for everything again. What it said it shows still holds."""
        entry = self.views.setdefault(view, View(now_s))
        entry.seen_s = now_s
        entry.is_late = False
        entry.in_flight.clear()

    def note_report(
        self,
        view: str,
        now_s: float,
        visible: Iterable[str],
        width_px: float,
        span_s: float = 0.0,
        zooms: Iterable[tuple[str, float, float]] = (),
    ) -> None:
        """A view says what it shows; `zooms` are titles of charts with a first and a last second."""
        entry = self.views.setdefault(view, View(now_s))
        entry.seen_s = now_s
        entry.visible = frozenset(visible)
        entry.width_px = min(MAXIMUM_WIDTH_PX, int(width_px))
        entry.span_s = span_s
        entry.zooms = {title: (low, high) for title, low, high in zooms}

    def note_ack(self, view: str, frame: int, now_s: float) -> bool:
        """A view has drawn a frame, and so all before it; False if that view was forgotten."""
        entry = self.views.get(view)
        if entry is None:
            return False
        entry.seen_s = now_s
        entry.is_late = False
        entry.in_flight = [sent for sent in entry.in_flight if sent[0] > frame]
        return True

    def may_send(self, now_s: float) -> bool:
        """Whether a frame may go now; forgets views that do not answer while others do."""
        newest_s = max((entry.seen_s for entry in self.views.values()), default=now_s)
        for name, entry in list(self.views.items()):
            waiting = [sent for sent in entry.in_flight if now_s - sent[1] < ACK_TIMEOUT_S]
            entry.is_late |= len(waiting) < len(entry.in_flight)
            entry.in_flight = waiting
            if entry.is_late and newest_s - entry.seen_s > FORGET_AFTER_S:
                del self.views[name]
        showing = [entry for entry in self.views.values() if entry.visible]
        awaited = [entry for entry in showing if not entry.is_late] or showing
        return bool(showing) and all(len(entry.in_flight) < MAXIMUM_IN_FLIGHT for entry in awaited)

    def note_sent(self, frame: int, now_s: float) -> None:
        """A frame went to all views."""
        for entry in self.views.values():
            if entry.visible:
                entry.in_flight.append((frame, now_s))

    @property
    def visible(self) -> frozenset[str]:
        """Titles of charts that any view shows."""
        return frozenset().union(*(entry.visible for entry in self.views.values()))

    @property
    def width_px(self) -> int:
        """Width of the widest chart."""
        return max((entry.width_px for entry in self.views.values()), default=0)

    def windows(self, title: str, now_s: float) -> list[tuple[float, float]]:
        """Spans of the run's time in which a chart is looked at, in seconds."""
        spans = set()
        for entry in self.views.values():
            if title in entry.zooms:
                spans.add(entry.zooms[title])
            else:
                spans.add((now_s - entry.span_s if entry.span_s else 0.0, now_s))
        return sorted(spans)


class FrameMaker:
    """Turns a history into frames that hold only the charts in view whose data changed."""

    def __init__(self) -> None:
        self._number = 0
        # When each chart was drawn, its newest values, and how many samples there were.
        self._drawn: dict[str, tuple[float, list[float], int]] = {}

    def forget(self) -> None:
        """Makes every chart due again: a view came, or another run began."""
        self._drawn.clear()

    def make(
        self, charts: Iterable[Chart], history: History, views: ViewBook, now_s: float
    ) -> tuple[Frame, bytes] | None:
        """A frame and its numbers, at a monotonic time; None if there is nothing to draw."""
        in_view = (chart for chart in charts if chart.title in views.visible)
        due = [chart for chart in in_view if self._is_due(chart, history, now_s)]
        if not due:
            return None
        self._number += 1
        last_s = history.last_time_s
        windows = [views.windows(chart.title, last_s) for chart in due]
        parts, numbers = _pack(due, history.view(), windows, views.width_px)
        return {"type": "frame", "number": self._number, "now": last_s, "charts": parts}, numbers

    def _is_due(self, chart: Chart, history: History, now_s: float) -> bool:
        values = [history.last(key) for key in chart.keys]
        drawn_s, drawn_values, samples = self._drawn.get(chart.title, (-math.inf, [], -1))
        is_same = np.array_equal(values, drawn_values, equal_nan=True)
        if samples == history.sample_count or (is_same and now_s - drawn_s < STILL_INTERVAL_S):
            return False
        self._drawn[chart.title] = now_s, values, history.sample_count
        return True


def make_baseline(charts: Sequence[Chart], history: HistoryView) -> tuple[Baseline, bytes]:
    """A pinned run as one message, in the layout of a frame."""
    last_s = float(history.time_s[-1]) if len(history.time_s) else 0.0
    parts, numbers = _pack(charts, history, [[(0.0, last_s)]] * len(charts), BASELINE_WIDTH_PX)
    return {"type": "baseline", "charts": parts}, numbers


def _pack(
    charts: Sequence[Chart],
    history: HistoryView,
    windows: Sequence[list[tuple[float, float]]],
    width_px: int,
) -> tuple[list[ChartPart], bytes]:
    """What stands where, and all numbers as little-endian float64.

    A chart is its times followed by each of its lines, `rows` numbers each, from `offset` on.
    """
    parts: list[ChartPart] = []
    arrays = []
    offset = 0
    for chart, spans in zip(charts, windows, strict=True):
        values = np.column_stack([history.column(key) for key in chart.keys])
        rows = select_rows_in_windows(history.time_s, values, width_px, spans)
        arrays.append(history.time_s[rows])
        arrays += [values[rows, index] / trace.divisor for index, trace in enumerate(chart.traces)]
        parts.append({"title": chart.title, "keys": list(chart.keys), "rows": len(rows), "offset": offset})
        offset += len(rows) * (1 + len(chart.traces))
    return parts, np.concatenate(arrays).astype("<f8").tobytes() if arrays else b""
