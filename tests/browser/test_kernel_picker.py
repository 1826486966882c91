"""A kernel under an allocator as a user finds it in JupyterLab's launcher, and what a cell of it tells."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import TOKEN, Lab
from tests.cli.terminal import run_workbench

CELL = "%%allocations\nblocks = [bytes(1000) for number in range(200_000)]\ndel blocks[::2]"


def test_it_is_chosen_and_a_cell_tells_what_it_allocated(page: Page, lab: Lab) -> None:
    data = {"JUPYTER_DATA_DIR": str(lab.data)}
    assert run_workbench("kernel", "install", "hakmem", env=data).status == 0
    try:
        page.goto(f"{lab.url}/lab?token={TOKEN}&reset")
        launcher = page.locator(".jp-Launcher-section").filter(has_text="Notebook").first
        launcher.get_by_text("Python 3 (hakmem)", exact=True).click()
        expect(page.get_by_text(re.compile(r"Python 3 \(hakmem\) \| Idle$"))).to_be_visible(timeout=90_000)
        cell = page.locator(".jp-Notebook .jp-CodeCell").first
        cell.locator(".jp-InputArea-editor").click()
        page.keyboard.insert_text(CELL)
        page.keyboard.press("Shift+Enter")
        output = cell.locator(".jp-OutputArea-output").first
        expect(output).to_contain_text(
            re.compile(r"\d k allocations, .* found a cache empty, .* ms"), timeout=90_000
        )
        expect(output.locator("svg polyline")).to_have_count(3)
        expect(output.get_by_role("row").filter(has_text="in use")).to_contain_text(re.compile(r"\+\d+ MiB"))
        box = output.locator("svg").bounding_box()
        assert box is not None
        assert box["width"] > 400
        page.screenshot(path=str(lab.folder.parent / "kernel.png"))
    finally:
        assert run_workbench("kernel", "remove", env=data).status == 0
