"""Takes docs/panel.png: the tuning panel in headless Chromium while a workload runs and is tuned.

    .venv/bin/python -m scripts.panel_screenshot [FILE] [--width 1280] [--dark] [--study]

The workload `phases` runs for half a minute under hakmem with one thread; two tunables are changed
meanwhile. With --study a study of a few trials is shown below.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import CHROMIUM_FLAGS, run_lab
from tests.browser.panel_page import PanelPage

REPOSITORY = Path(__file__).resolve().parent.parent
# The whole panel is in view, in one column of cards as well.
HEIGHT_PX = 2900


def tune(panel: PanelPage) -> None:
    """A study of three trials of the TLS cache's tunables."""
    panel.panel.locator(".hak-tuner > summary").click()
    panel.field("Tunables of").select_option("TLS cache")
    panel.field("Trials").fill("3")
    panel.field("Seconds a run").fill("0.1")
    panel.button("Tune").click()
    expect(panel.button("Stop tuning")).to_be_enabled()
    expect(panel.button("Tune")).to_be_enabled(timeout=120_000)


def show(panel: PanelPage, seconds: float) -> None:
    """A run with two changes, the second of which is the picture's newest."""
    part_ms = seconds * 1000 / 4
    panel.start("phases", Threads="1")
    panel.page.wait_for_timeout(part_ms)
    for name, text in (("tls.grow_percent", "60 %"), ("tls.max_slots", "1024 slots")):
        entry = panel.control(name).get_by_role("textbox")
        entry.fill(text)
        entry.press("Enter")
        panel.page.wait_for_timeout(part_ms)
    panel.page.wait_for_timeout(part_ms)


def main() -> None:
    """Reads the arguments, starts JupyterLab, takes the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", nargs="?", type=Path, default=REPOSITORY / "docs" / "panel.png")
    parser.add_argument("--width", type=int, default=1280, help="of the browser's window, in pixels")
    parser.add_argument("--seconds", type=float, default=28.0, help="length of the run")
    parser.add_argument("--dark", action="store_true", help="with JupyterLab's dark theme")
    parser.add_argument("--study", action="store_true", help="with a study of a few trials")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        run_lab(Path(folder)) as lab,
        sync_playwright() as playwright,
    ):
        shutil.copytree(REPOSITORY / "notebooks", lab.folder, dirs_exist_ok=True)
        if arguments.dark:
            theme = lab.settings / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
            theme.write_text(json.dumps({"theme": "JupyterLab Dark"}))
        path = shutil.which("chromium") or "/usr/bin/chromium"
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": arguments.width, "height": HEIGHT_PX})
        panel = PanelPage(page, lab)
        panel.open("01_live_tuning.ipynb", run_cells=1)
        if arguments.study:
            tune(panel)
        show(panel, arguments.seconds)
        panel.panel.screenshot(path=arguments.file)
        panel.button("Stop").click()
        panel.expect_status("stopped after")
        browser.close()


if __name__ == "__main__":
    main()
