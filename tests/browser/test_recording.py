"""The recording beside the status line: seen, switched off, saved as a notebook that is there to open."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab
from tests.browser.panel_page import PanelPage


def test_a_session_is_saved_as_a_notebook(page: Page, lab: Lab) -> None:
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    save = panel.button("Save as notebook")
    expect(save).to_be_disabled()
    strip = panel.panel.get_by_role("group", name="Recording", exact=True)
    expect(strip.get_by_label("Record", exact=True)).to_be_checked()
    panel.start("phases", Threads="1")
    expect(strip).to_contain_text(re.compile(r"[KM]iB · .*phases-under-hakmem"))
    panel.await_frames()
    panel.slider("tls.grow_percent").press("ArrowLeft")
    panel.expect_log(r"you: tls\.grow_percent 80 → 79")
    save.click()
    panel.expect_log(r"saved as notebook: .*sessions/.*\.ipynb")
    page.screenshot(path=str(lab.folder.parent / "recording.png"))
    (path,) = (lab.folder / "sessions").glob("*.ipynb")
    notebook = json.loads(path.read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert any("repeat_session(" in "".join(cell["source"]) for cell in notebook["cells"])
    strip.get_by_label("Record", exact=True).uncheck()
    panel.expect_log("recording is off; what was recorded is kept")
    panel.button("Stop").click()
    panel.expect_status("stopped after")
