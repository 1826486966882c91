"""The one thread that writes to a panel's views: it carries out requests, samples and sends frames."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from workbench.errors import WorkbenchError
from workbench.panel import protocol
from workbench.panel.frames import FrameMaker, ViewBook, make_baseline
from workbench.panel.front_end import pack_plotly
from workbench.panel.requests import RequestTable, request
from workbench.panel.session import LiveSession, PinnedRun
from workbench.panel.state import StateBook
from workbench.panel.target import SAMPLE_INTERVAL_S
from workbench.sessions import HistoryView

STATE_INTERVAL_S = 0.2
# Plotly's script is more than a megabyte, and goes to all views.
PLOTLY_INTERVAL_S = 1.0

logger = logging.getLogger(__name__)


class Pump:
    """Runs a session for its views.

    Messages of views come through `receive`, what a notebook asks for through `ask`, from any thread.
    Everything else happens in `step`, which the pump's own thread calls, or a test.

    Parameters
    ----------
    session : LiveSession
        What runs.
    push : callable
        Sends one message to all views, with the bytes that belong to it.
    state : StateBook
        What views are told, and were told already.
    others : object
        What else has requests that pages may make, besides the session and its settings.
    """

    def __init__(
        self,
        session: LiveSession,
        push: Callable[[protocol.FromKernel, bytes], None],
        state: StateBook,
        *others: object,
    ) -> None:
        self.session = session
        self.book = ViewBook()
        self._states_sent = 0
        self._push = push
        self._state = state
        self._table = RequestTable(self, session, session.settings, session.probes, *others)
        self._maker = FrameMaker()
        self._waiting: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._is_closing = False
        self._is_acting = False
        self._now_s = 0.0
        self._next_sample_s = 0.0
        self._next_state_s = 0.0
        self._next_plotly_s = 0.0
        self._is_plotly_wanted = False
        self._pinned: PinnedRun | None = None  # as the views have it
        self._recorder: object = None
        self._thread: threading.Thread | None = None

    # --- from any thread ---

    def receive(self, content: Mapping[str, Any]) -> None:
        """Takes a view's message: one tunable is set at once, all else is left for the pump's thread."""
        try:
            call, kind = self._table.read(content)
        except WorkbenchError as error:
            self._leave(partial(self._fail, error))
            return
        match kind:
            case "value":
                call()
                self.wake()
            case "view":
                self._leave(call)
            case "action":
                self.ask(call)

    def ask(self, action: Callable[[], object]) -> None:
        """Leaves an action for the pump's thread; if it returns a text, that is shown as its success."""
        self._leave(partial(self._act, action))

    def _leave(self, call: Callable[[], object]) -> None:
        self._waiting.put(call)
        self._wake.set()

    @property
    def is_busy(self) -> bool:
        """Whether something that was asked for is not carried out yet."""
        return self._is_acting or not self._waiting.empty()

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
        self._now_s = now_s
        while True:
            self._is_acting = True  # before the queue is looked at, so that nobody sees it between the two
            try:
                call = self._waiting.get_nowait()
            except queue.Empty:
                break
            self._guard(call)
        self._is_acting = False
        if now_s >= self._next_sample_s:
            target = self.session.target
            interval_s = target.sample_interval_s if target is not None else SAMPLE_INTERVAL_S
            self._next_sample_s = max(self._next_sample_s + interval_s, now_s)
            self._guard(self.session.step)
        if now_s >= self._next_state_s:
            self._next_state_s = now_s + STATE_INTERVAL_S
            self._guard(self._send_state)
        if self._pinned is not self.session.pinned:
            self._guard(self._send_baseline)
        if self._is_plotly_wanted and now_s >= self._next_plotly_s:
            self._is_plotly_wanted = False
            self._next_plotly_s = now_s + PLOTLY_INTERVAL_S
            self._guard(lambda: self._push({"type": "plotly"}, pack_plotly()))
        self._guard(self._send_frame)

    def _guard(self, action: Callable[[], object]) -> None:
        """An error is shown in the panel, whatever it is; the pump goes on."""
        try:
            action()
        except WorkbenchError as error:
            self._fail(error)
        except Exception as error:
            logger.exception("the tuning panel's pump")
            self._fail(f"unexpected {type(error).__name__}: {error}")

    def _fail(self, error: object) -> None:
        self.session.error = str(error)
        self.wake()

    def _act(self, action: Callable[[], object]) -> None:
        self._next_state_s = 0.0
        # An error and a message of success never stand beside each other.
        self._state.message = ""
        told = action()
        self._state.message = told if isinstance(told, str) else ""
        self.session.error = self.session.settings.error = ""

    @request(kind="view")
    def hello(self, view: str) -> None:
        """A view is there, and needs the whole state; it may ask as often as it likes."""
        self.book.note_hello(view, self._now_s)
        self._maker.forget()
        self._state.forget()
        if self.session.pinned is not None:
            self._pinned = None
        self._next_state_s = 0.0

    @request(kind="view")
    def bye(self, view: str) -> None:
        """A view is closed."""
        self.book.views.pop(view, None)

    @request(kind="view")
    def report(
        self,
        view: str,
        visible: Sequence[str],
        width: float,
        span: float,
        zooms: Sequence[tuple[str, float, float]],
    ) -> None:
        """Which charts a view shows, how wide in pixels, and which span of time in seconds (0: all).

        `zooms` has the title, the first and the last second of each chart that is zoomed.
        """
        if view not in self.book.views:  # what it said before was lost
            self.hello(view)
        self.book.note_report(view, self._now_s, visible, width, span, zooms)
        self._maker.forget()

    @request(kind="view")
    def ack(self, view: str, frame: int) -> None:
        """A view has drawn the frame of that number."""
        if not self.book.note_ack(view, frame, self._now_s):
            # It was silent for long, as a computer that slept; it may have missed anything.
            self.book.note_hello(view, self._now_s)
            self._push({"type": "who"}, b"")

    @request(kind="view")
    def ask_plotly(self) -> None:
        """A view needs the script that draws charts."""
        self._is_plotly_wanted = True

    def _send_baseline(self) -> None:
        self._pinned = pinned = self.session.pinned
        charts, history = (pinned.charts, pinned.history) if pinned else ((), HistoryView.empty())
        self._push(*make_baseline(charts, history))

    def _send_state(self) -> None:
        parts = self._state.take_changes()
        entries = self.session.take_new_entries()
        state = cast(protocol.State, {"type": "state", "number": self._states_sent + 1, **parts})
        if self._state.is_fresh:
            self._state.is_fresh = False
            state["log_restart"] = True
            entries = self.session.all_entries()
        if entries:
            state["log"] = entries
        if len(state) > 2:
            self._states_sent += 1
            self._push(state, b"")

    def _send_frame(self) -> None:
        target = self.session.target
        if target is None or not self.book.may_send(self._now_s):
            return
        if target.recorder is not self._recorder:
            self._recorder = target.recorder
            self._maker.forget()
        made = self._maker.make(self.session.charts, target.recorder.history, self.book, self._now_s)
        if made is not None:
            self.book.note_sent(made[0]["number"], self._now_s)
            self._push(*made)
