"""A replay as a user has it: a trace in the notebook's folder, chosen, started and looked at."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab
from tests.browser.panel_page import PanelPage
from tests.replay import programs


def test_a_trace_is_chosen_and_replayed(page: Page, lab: Lab) -> None:
    programs.write(lab.folder / "mine.haktrace", programs.pipeline(3, 2, 1500))
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    expect(panel.field("Trace")).to_be_hidden()
    panel.field("Workload").select_option("replay")
    expect(panel.field("Trace")).to_be_visible()
    expect(panel.field("Threads")).to_be_hidden()
    expect(panel.field("loops, times")).to_have_value("0")
    panel.field("Trace").fill("none.haktrace")
    panel.button("Start").click()
    expect(panel.panel.get_by_text("none.haktrace: no such file")).to_be_visible()
    panel.field("Trace").fill("mine.haktrace")
    panel.button("Start").click()
    expect(panel.chart("Replayed program")).to_be_visible()
    expect(panel.chart("Trace time")).to_be_attached()
    expect(panel.panel.get_by_text("running replay of mine under hakmem")).to_be_visible()
    expect(panel.field("Trace")).to_be_disabled()
    panel.button("Stop").click()
    expect(panel.panel.get_by_text("replay of mine under hakmem stopped after").first).to_be_visible()
    expect(panel.field("Trace")).to_have_value("mine.haktrace")
