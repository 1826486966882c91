"""The one thread that writes to a panel's views: it carries out requests, samples and sends frames."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, cast

from workbench.errors import WorkbenchError
from workbench.panel import messages
from workbench.panel.frames import FrameMaker, ViewBook, make_baseline
from workbench.panel.session import LiveSession
from workbench.panel.state import StateBook
from workbench.panel.widget import pack_plotly

SAMPLE_INTERVAL_S = 0.08
STATE_INTERVAL_S = 0.2
# Plotly's script is more than a megabyte, and goes to all views.
PLOTLY_INTERVAL_S = 1.0

logger = logging.getLogger(__name__)


class Views(Protocol):
    """Where messages go: the widget, or a list in a test."""

    def push(self, content: messages.FromKernel, buffer: bytes | memoryview | None = None) -> None:
        """Sends one message to all views."""
        ...


class Pump:
    """Runs a session for its views.

    Messages of views come through `receive`, those of a notebook through `request`, from any thread.
    Everything else happens in `step`, which the pump's own thread calls, or a test.

    Parameters
    ----------
    session : LiveSession
        What runs.
    views : Views
        Where messages go.
    state : StateBook
        What views are told, and were told already.
    act : callable
        Does what a request asks for that is not about views; it runs on the pump's thread.
    """

    def __init__(
        self,
        session: LiveSession,
        views: Views,
        state: StateBook,
        act: Callable[[messages.Request], None],
    ) -> None:
        self.session = session
        self.book = ViewBook()
        self.frames_sent = 0
        self.messages_sent = 0
        self._states_sent = 0
        self._views = views
        self._state = state
        self._act = act
        self._maker = FrameMaker()
        self._requests: queue.SimpleQueue[messages.Request | WorkbenchError] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._is_closing = False
        self._is_acting = False
        self._next_sample_s = 0.0
        self._next_state_s = 0.0
        self._next_plotly_s = 0.0
        self._is_plotly_wanted = False
        self._is_baseline_wanted = False
        self._recorder: object = None
        self._thread: threading.Thread | None = None

    # --- from any thread ---

    def receive(self, content: Mapping[str, Any]) -> None:
        """Takes a view's message: one tunable is set at once, all else is left for the pump's thread."""
        settings = self.session.settings
        try:
            message = messages.read_message(content)
        except WorkbenchError as error:
            self.request(error)
            return
        match message:
            case messages.Set(name=name, value=value, gesture=gesture):
                settings.set_one(name, value, gesture)
                self.wake()
            case messages.Reset(name=name):
                settings.reset(name)
                self.wake()
            case _:
                self.request(message)

    def request(self, message: messages.Request | WorkbenchError) -> None:
        """Leaves a request for the pump's thread, or the error of one that cannot be read."""
        self._requests.put(message)
        self._wake.set()

    @property
    def is_busy(self) -> bool:
        """Whether something that was asked for is not carried out yet."""
        return self._is_acting or not self._requests.empty()

    def wake(self) -> None:
        """Makes the pump tell the views soon what changed."""
        self._next_state_s = 0.0
        self._wake.set()

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="workbench-panel", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread, and waits for it."""
        self._is_closing = True
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    # --- the pump's thread ---

    def _run(self) -> None:
        while not self._is_closing:
            wait_s = max(0.0, min(self._next_sample_s, self._next_state_s) - time.monotonic())
            self._wake.wait(wait_s)
            self._wake.clear()
            if not self._is_closing:
                self.step(time.monotonic())

    def step(self, now_s: float) -> None:
        """Carries out what was asked, samples if it is time, sends what is due."""
        while True:
            self._is_acting = True  # before the queue is looked at, so that nobody sees it between the two
            try:
                message = self._requests.get_nowait()
            except queue.Empty:
                break
            self._guard(partial(self._carry_out, message, now_s))
            if not isinstance(message, messages.Ack):
                self._next_state_s = min(self._next_state_s, now_s)
        self._is_acting = False
        if now_s >= self._next_sample_s:
            self._next_sample_s = max(self._next_sample_s + SAMPLE_INTERVAL_S, now_s)
            self._guard(self.session.step)
        if now_s >= self._next_state_s:
            self._next_state_s = now_s + STATE_INTERVAL_S
            self._guard(self._send_state)
        if self._is_baseline_wanted:
            self._is_baseline_wanted = False
            self._guard(self.send_baseline)
        if self._is_plotly_wanted and now_s >= self._next_plotly_s:
            self._is_plotly_wanted = False
            self._next_plotly_s = now_s + PLOTLY_INTERVAL_S
            self._guard(lambda: self._push({"type": "plotly"}, pack_plotly()))
        self._guard(lambda: self._send_frame(now_s))

    def _guard(self, action: Callable[[], None]) -> None:
        """An error is shown in the panel, whatever it is; the pump goes on."""
        try:
            action()
        except WorkbenchError as error:
            self.session.error = str(error)
            self.wake()
        except Exception as error:
            logger.exception("the tuning panel's pump")
            self.session.error = f"unexpected {type(error).__name__}: {error}"
            self.wake()

    def _carry_out(self, message: messages.Request | WorkbenchError, now_s: float) -> None:
        view = "" if isinstance(message, WorkbenchError) else message.view
        match message:
            case WorkbenchError():
                raise message
            case messages.Ack(frame=frame):
                if not self.book.note_ack(view, frame, now_s):
                    # It was silent for long, as a computer that slept; it may have missed anything.
                    self.book.note_hello(view, now_s)
                    self._push({"type": "who"})
            case messages.Report():
                if view not in self.book.views:  # what it said before was lost
                    self._welcome(view, now_s)
                self.book.note_report(message, now_s)
                self._maker.forget()
            case messages.Hello():
                self._welcome(view, now_s)
            case messages.Bye():
                self.book.note_bye(view)
            case messages.AskPlotly():
                self._is_plotly_wanted = True
            case _:
                # An error and a message of success never stand beside each other.
                self._state.message = ""
                self._act(message)
                self.session.error = self.session.settings.error = ""

    def _welcome(self, view: str, now_s: float) -> None:
        """Everything is sent anew; a view may ask for it as often as it likes."""
        self.book.note_hello(view, now_s)
        self._maker.forget()
        self._state.forget()
        self._is_baseline_wanted = self.session.pinned is not None

    def send_baseline(self) -> None:
        """Sends the pinned run, or that there is none."""
        pinned = self.session.pinned
        charts = pinned.charts if pinned else ()
        self._push(*make_baseline(charts, pinned.history if pinned else None))

    def _send_state(self) -> None:
        parts = self._state.take_changes(self.session)
        entries = self.session.take_new_entries()
        state = cast(messages.State, {"type": "state", "number": self._states_sent + 1, **parts})
        if self._state.is_fresh:
            self._state.is_fresh = False
            state["log_restart"] = True
            entries = self.session.all_entries()
        if entries:
            state["log"] = [
                {"number": entry.number, "time": entry.time, "text": entry.text, "kind": entry.kind}
                for entry in entries
            ]
        if len(state) > 2:
            self._states_sent += 1
            self._push(state)

    def _send_frame(self, now_s: float) -> None:
        target = self.session.target
        if target is None or not self.book.may_send(now_s):
            return
        if target.recorder is not self._recorder:
            self._recorder = target.recorder
            self._maker.forget()
        history = target.recorder.history
        charts = self.session.charts
        last = {key: history.last(key) for chart in charts for key in chart.keys}
        due = self._maker.due_charts(charts, self.book.visible, last, history.sample_count, now_s)
        if not due:
            return
        content, buffer = self._maker.make(due, history.view(), self.book, history.last_time_s)
        self.book.note_sent(content["number"], now_s)
        self.frames_sent += 1
        self._push(content, buffer)

    def _push(self, content: messages.FromKernel, buffer: bytes | None = None) -> None:
        self.messages_sent += 1
        self._views.push(content, buffer or None)
