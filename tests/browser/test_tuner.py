"""A study from the panel: begun, watched, stopped; a page that is loaded again shows it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab
from tests.browser.panel_page import PanelPage


def test_a_study_is_begun_watched_and_stopped(page: Page, lab: Lab) -> None:
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    panel.panel.get_by_text("Autotune").click()
    expect(panel.button("Stop tuning")).to_be_disabled()
    expect(panel.button("Apply best")).to_be_disabled()
    panel.field("Workload").select_option("phases")
    panel.field("Tunables of").select_option("TLS cache")
    panel.field("Trials").fill("500")
    panel.field("Seconds a run").fill("0.02")
    panel.button("Tune").click()
    panel.expect_log(r"tuning: .*studies/.*phases\.toml")
    table = panel.panel.get_by_role("table", name="Latest trials")
    # Two trials under the head, or more: between two looks there may be several.
    expect(table.get_by_role("row").nth(2)).to_be_visible(timeout=120_000)
    expect(table).to_contain_text("throughput ×")
    expect(panel.panel.get_by_role("figure", name="Best so far").locator("circle")).not_to_have_count(0)
    # The kernel is free meanwhile: the panel answers, and cells run.
    panel.slider("tls.grow_percent").press("ArrowLeft")
    panel.expect_log(r"you: tls\.grow_percent 80 → 79")
    panel.button("Try these values").click()
    expect(panel.panel.locator(".hak-tuner-lines")).to_contain_text("the values of the panel are tried next")
    page.screenshot(path=str(lab.folder.parent / "tuner.png"))
    # JupyterLab forgets an output that is not saved. By its button: keys are the panel's while it has them.
    page.locator('.jp-NotebookPanel-toolbar [data-command="docmanager:save"]').click()
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)
    page.reload()
    panel.panel.wait_for()
    panel.panel.get_by_text("Autotune").click()
    expect(panel.panel.get_by_role("table", name="Latest trials").get_by_role("row")).not_to_have_count(1)
    expect(panel.button("Tune")).to_be_disabled()
    panel.button("Stop tuning").click()
    expect(panel.panel.locator(".hak-tuner-text")).to_contain_text(
        re.compile(r"stopped; `workbench tune .*\.toml` goes on with it"), timeout=60_000
    )
    expect(panel.button("Tune")).to_be_enabled()
    panel.button("Go on").click()
    expect(panel.button("Stop tuning")).to_be_enabled()
    (path,) = (lab.folder / "studies").glob("*.toml")
    assert 'workload = "phases"' in path.read_text()
