"""What if, where it is, who holds it: the three charts of a process that runs, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab
from tests.browser.panel_page import PanelPage


def expect_areas_up_to_resident(panel: PanelPage) -> None:
    """The chart of parts is a stack, as high as the process has resident memory."""
    chart = panel.chart("Where it is")
    chart.scroll_into_view_if_needed(timeout=60_000)
    expect(chart.get_by_role("button", name="in use", exact=True)).to_be_attached()
    expect(chart.get_by_role("button", name="unexplained", exact=True)).to_be_attached()
    panel.await_frames(2)
    drawn = panel.page.wait_for_function(  # a chart is drawn once it comes into view
        """() => {
            const { plot } = document.querySelector(".hak-charts").hakGrid.charts.get("Where it is");
            const areas = (plot.data ?? []).filter(({ stackgroup }) => stackgroup === "parts");
            return areas.length === 10 && areas.map(({ name, y }) => [name, y[y.length - 1]]);
        }""",
        timeout=60_000,
    )
    areas = drawn.json_value()
    (resident_mib,) = re.findall(r"([0-9.]+) MiB resident", panel.panel.locator(".hak-status").inner_text())
    assert sum(mib for _, mib in areas) == pytest.approx(float(resident_mib), rel=0.5)
    assert dict(areas)["unexplained"] < 0.02 * sum(mib for _, mib in areas)


def count_parts(panel: PanelPage) -> int:
    """Parts of the icicle chart on the screen."""
    return panel.panel.locator(".hak-heap .slice").count()


def test_a_session_that_looks_inside(page: Page, lab: Lab) -> None:
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    whatif = panel.panel.get_by_role("region", name="What if", exact=True)
    heap = panel.panel.get_by_role("region", name="Who holds it", exact=True)
    expect(whatif).to_be_hidden()
    expect(heap).to_be_hidden()
    panel.start("larson", Threads="1")

    # Where it is needs nothing; the others are switched on.
    expect_areas_up_to_resident(panel)
    expect(heap.get_by_role("note")).to_contain_text("sample.interval_bytes=524288", timeout=60_000)
    panel.button("Take samples").click()
    expect(heap.get_by_role("note")).to_contain_text(re.compile("MiB in use, by [1-9]"), timeout=60_000)
    panel.control("ghost.enable").get_by_role("switch").check()
    expect(whatif.get_by_role("figure").locator("svg path").first).to_be_attached(timeout=60_000)
    expect(whatif.get_by_role("table")).to_contain_text("advice")

    heap.scroll_into_view_if_needed()
    expect(heap.locator(".slice").first).to_be_attached()
    panel.button("Pin").click()
    expect(heap).to_contain_text(re.compile(r"since the pin, \d+ s ago: .* more"), timeout=60_000)
    assert count_parts(panel) > 3
    panel.button("Take no more samples").click()
    expect(panel.button("Take samples")).to_be_visible()
    panel.button("Stop").click()
    panel.expect_status("stopped after")
    assert count_parts(panel) > 3  # what was seen stays
