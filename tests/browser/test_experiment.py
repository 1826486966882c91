"""A live experiment from the panel: entered, watched, stopped; then one to its verdict."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab
from tests.browser.panel_page import PanelPage
from tests.experiments.live_programs import run_busy
from workbench.control import ControlBlock
from workbench.experiments.live_result import LiveResult


def test_an_experiment_is_begun_watched_stopped_and_judged(page: Page, lab: Lab) -> None:
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    panel.panel.get_by_text("Experiment", exact=True).click()
    expect(panel.button("Start experiment")).to_be_disabled()
    with run_busy() as process, ControlBlock.open(process.pid) as block:
        processes = panel.field("Running process")
        expect(processes.locator(f'option[value="{block.info.path}"]')).to_have_count(1)
        processes.select_option(str(block.info.path))
        panel.button("Attach").click()
        panel.expect_status("attached to python")
        before = block.requested().values["tls.max_slots"]

        panel.field("Try another value of").select_option("tls.max_slots")
        expect(panel.field("tls.max_slots, A")).to_have_attribute("placeholder", str(before))
        panel.field("tls.max_slots, B").fill("512 slots")
        panel.field("Judged by").fill("process.processor_time")
        panel.field("Reading every, s").fill("0.1")
        panel.field("Seconds a block").fill("0.5")
        panel.field("Wash-out, s").fill("0.1")
        panel.field("Blocks").fill("8")
        panel.button("Start experiment").click()
        refused = panel.panel.locator(".hak-field > .hak-experiment-refused")
        expect(refused).to_contain_text("give at least 16")
        page.screenshot(path=str(lab.folder.parent / "refused.png"))
        panel.field("Blocks").fill("400")
        panel.field("Pilot, s").fill("5")
        panel.button("Pilot").click()
        expect(panel.panel.locator(".hak-experiment-lines")).to_contain_text(
            re.compile(
                r"process\.processor_time: .*2 % in about|process\.processor_time: the pilot was too short"
            )
        )
        panel.field("Guards").fill("process.resident<1e12")
        panel.button("Start experiment").click()
        panel.expect_log(r"experiment: tls\.max_slots")
        text = panel.panel.locator(".hak-experiment-text")
        expect(text).to_contain_text(re.compile(r"block \d+ of 400 \([AB]\), \d\d:\d\d left"))
        figure = panel.panel.get_by_role("figure", name="Blocks of process.processor_time")
        expect(figure.locator("circle").nth(3)).to_be_visible()
        panel.button("Stop experiment").click()
        expect(panel.panel.locator(".hak-experiment-lines")).to_contain_text("A is restored")
        assert block.requested().values["tls.max_slots"] == before

        panel.field("Blocks").fill("24")
        panel.button("Start experiment").click()
        expect(text).to_have_text("ended after 24 of 24 blocks")
        # A block that a busy machine holds up is not judged.
        expect(figure.locator("circle").nth(15)).to_be_visible()
        expect(panel.panel.locator(".hak-experiment-verdict")).to_contain_text(
            "process.processor_time: B / A "
        )
        figure.scroll_into_view_if_needed()
        page.screenshot(path=str(lab.folder.parent / "experiment.png"))
        assert block.requested().values["tls.max_slots"] == before
        panel.button("Detach").click()
        panel.button("Restore values").click()
        panel.expect_status("detached from")
    counts = sorted(LiveResult.read(path).pairs for path in (lab.folder / "experiments").iterdir())
    assert counts[-1] == 12
