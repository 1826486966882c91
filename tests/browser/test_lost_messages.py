"""A panel whose page, connection or kernel lost something asks again, and lives."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab
from tests.browser.panel_page import PanelPage

HELLO = '"type": ?"hello"'
PLOTLY = '"type": ?"plotly"'
VIEW = '"type": ?"report"'
RECORD = '"type": ?"record"'
LOG = '"type": ?"state".*"log".*you: tls'
# Loses the first message that fits each pattern of window.lose, sent ("out") or received ("in").
LOSE_MESSAGES = """(lose) => {
  Object.assign(window, { lose, lost: [] });
  const decoder = new TextDecoder("latin1");
  const isLost = (way, data) => {
    if (!window.lose.length) return false;
    const text = typeof data === "string" ? data : decoder.decode(data.slice(0, 50000));
    const index = window.lose.findIndex((entry) => entry[0] === way && new RegExp(entry[1], "s").test(text));
    if (index < 0) return false;
    window.lost.push(...window.lose.splice(index, 1));
    return true;
  };
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (content) {
    if (!isLost("out", content)) send.call(this, content);
  };
  const received = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
  Object.defineProperty(WebSocket.prototype, "onmessage", {
    ...received,
    set(handler) {
      received.set.call(this, (event) => {
        if (!isLost("in", event.data)) handler.call(this, event);
      });
    },
  });
}"""
# anywidget gives a model two seconds; here they are over before its script is there.
HURRY = """() => {
  const original = AbortSignal.timeout;
  AbortSignal.timeout = (wait) => {
    if (wait !== 2000) return original.call(AbortSignal, wait);
    const controller = new AbortController();
    queueMicrotask(() => controller.abort());
    return controller.signal;
  };
}"""


def count_lost(panel: PanelPage) -> int:
    return int(panel.page.evaluate("() => window.lost.length"))


def test_lost_messages_are_asked_for_again(page: Page, lab: Lab) -> None:
    lose = [["out", HELLO], ["in", PLOTLY], ["out", VIEW]]
    page.add_init_script(f"({LOSE_MESSAGES})({json.dumps(lose)})")
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    # What a test that waits in vain is told.
    with pytest.raises(AssertionError, match=r"'state': 'idle'.*'charts': 0"):
        panel.await_frames(1, timeout_s=0.2)
    panel.start("phases", Threads="1")
    panel.await_frames(3)
    assert count_lost(panel) == 3
    # A part of the state that is lost is noticed when the next comes.
    page.evaluate("(pattern) => window.lose.push(['in', pattern])", LOG)
    slider = panel.slider("tls.grow_percent")
    slider.focus()
    page.keyboard.press("Home")
    expect(panel.control("tls.grow_percent")).to_contain_text("effective 50 %")
    panel.expect_log(r"you: tls\.grow_percent 80 → 50 %")
    assert count_lost(panel) == 4
    panel.button("Stop").click()
    panel.expect_status("stopped after")


def test_a_page_too_slow_for_its_widget_hears_nevertheless(page: Page, lab: Lab) -> None:
    page.add_init_script(f"({HURRY})()")
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    panel.start("phases", Threads="1")
    panel.await_frames(3)
    panel.button("Stop").click()
    panel.expect_status("stopped after")


def test_what_was_chosen_is_shown_until_it_is_answered(page: Page, lab: Lab) -> None:
    page.add_init_script(f"({LOSE_MESSAGES})([])")
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    panel.start("phases", Threads="1")
    panel.await_frames(3)
    record = panel.panel.get_by_label("Record", exact=True)
    page.evaluate("(pattern) => window.lose.push(['out', pattern])", RECORD)
    record.uncheck()
    # States that say it is on go on to come: they tell its size.
    strip = panel.panel.get_by_role("group", name="Recording", exact=True)
    size = strip.inner_text()
    expect(strip).not_to_have_text(size)
    assert not record.is_checked()
    assert count_lost(panel) == 1
    # Nobody answers: then it is shown as it is.
    expect(record).to_be_checked(timeout=25_000)
    record.uncheck()
    panel.expect_log("recording is off; what was recorded is kept")
    panel.button("Stop").click()
    panel.expect_status("stopped after")
