"""Frame rates of the tuning panel in headless Chromium: prints frames and messages a second, and memory.

Usage: python benchmarks/frames.py [--seconds 10] [--workload phases] [--memory-frames 2000]

A one-thread workload runs under hakmem meanwhile. Figures depend on the machine and on what else runs
on it; the counts that must hold anywhere are in tests/panel/test_pump.py.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM_FLAGS, Lab, run_lab
from tests.browser.panel_page import PanelPage

REPOSITORY = Path(__file__).resolve().parent.parent
COUNT_MESSAGES = """() => {
  window.received = 0;
  const original = WebSocket.prototype.send;
  const seen = new WeakSet();
  WebSocket.prototype.send = function (...content) {
    if (!seen.has(this)) {
      seen.add(this);
      this.addEventListener("message", () => { window.received += 1; });
    }
    return original.apply(this, content);
  };
}"""


def read_counts(page: Page) -> tuple[float, int, int, int]:
    """Time in seconds; frames, charts drawn, messages received so far."""
    frames, charts, messages = page.evaluate(
        "() => { const root = document.querySelector('.hak-panel');"
        " return [Number(root.dataset.frames), Number(root.dataset.charts), window.received]; }"
    )
    return time.monotonic(), frames, charts, messages


def measure(page: Page, name: str, seconds: float) -> None:
    """Prints the rates over some seconds."""
    first = read_counts(page)
    page.wait_for_timeout(seconds * 1000)
    last = read_counts(page)
    span_s = last[0] - first[0]
    frames, charts, messages = (
        (late - early) / span_s for early, late in zip(first[1:], last[1:], strict=True)
    )
    print(f"{name}: {frames:.1f} frames/s, {charts:.1f} charts/s, {messages:.0f} messages/s", flush=True)


# Every chart in turn gets as many rows as an hour's history has after its reduction, newer each time.
DRAW_SYNTHETIC = """async ([count, rows, from]) => {
  const grid = document.querySelector('.hak-charts').hakGrid;
  const charts = [...grid.charts.values()];
  for (let number = from; number < from + count; number += 1) {
    const chart = charts[number % charts.length];
    const keys = chart.description.traces.map((trace) => trace.key);
    const now = 3600 + number;
    const x = Float64Array.from({ length: rows }, (_, row) => now * row / rows);
    const line = () => Float64Array.from({ length: rows }, () => Math.random() * 1000);
    chart.isVisible = true;
    const lines = new Map(keys.map((key) => [key, line()]));
    await grid.drawFrame(new Map([[chart.title, { x, lines, now }]]));
    if (number % 10 === 0) await new Promise((resolve) => setTimeout(resolve));
  }
}"""


def measure_memory(page: Page, frames: int, rows: int = 1000) -> None:
    """Prints what the page holds before and after many frames, once garbage is collected."""
    protocol = page.context.new_cdp_session(page)
    protocol.send("Performance.enable")
    drawn = 0
    for more in (frames // 10, frames - frames // 10):
        page.evaluate(DRAW_SYNTHETIC, [more, rows, drawn])
        drawn += more
        protocol.send("HeapProfiler.collectGarbage")
        metrics = {
            entry["name"]: entry["value"] for entry in protocol.send("Performance.getMetrics")["metrics"]
        }
        heap_mib = metrics["JSHeapUsedSize"] / (1 << 20)
        nodes, listeners = metrics["Nodes"], metrics["JSEventListeners"]
        print(
            f"{drawn} frames of an hour: {heap_mib:.1f} MiB, {nodes:.0f} nodes, {listeners:.0f} listeners",
            flush=True,
        )


def run(lab: Lab, seconds: float, workload: str, memory_frames: int) -> None:
    """One browser, one panel; first what is in view, then all six charts drawn in every frame."""
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or "/usr/bin/chromium"
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(f"({COUNT_MESSAGES})()")
        panel = PanelPage(page, lab)
        panel.open("01_live_tuning.ipynb", run_cells=1)
        panel.start(workload, Threads="1")
        panel.chart("TLS cache capacity").scroll_into_view_if_needed()
        panel.await_frames(20)
        measure(page, "charts in view whose data changed", seconds)
        page.set_viewport_size({"width": 1280, "height": 1600})
        page.evaluate("() => document.querySelector('.hak-panel').scrollIntoView()")
        panel.await_frames(20)
        measure(page, "all charts in view, drawn when they changed", seconds)
        # Still charts are drawn as well, with what they had: the cost of six drawn charts a frame.
        page.evaluate(
            """() => {
              const grid = document.querySelector('.hak-charts').hakGrid;
              const charts = [...grid.charts.values()].slice(0, 6);
              const original = grid.drawFrame.bind(grid);
              grid.drawFrame = async (frame) => {
                await original(frame);
                for (const chart of charts) {
                  if (!frame.has(chart.title)) { await chart.draw(); grid.chartsDrawn += 1; }
                }
              };
            }"""
        )
        panel.await_frames(5)
        measure(page, "all six drawn in every frame", seconds)
        panel.button("Stop").click()
        panel.expect_status("stopped after")
        measure_memory(page, memory_frames)
        browser.close()


def main() -> None:
    """Reads the arguments, starts JupyterLab, measures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement")
    parser.add_argument("--workload", default="phases", help="what runs meanwhile, with one thread")
    parser.add_argument("--memory-frames", type=int, default=2000, help="frames drawn to measure memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, run_lab(Path(folder)) as lab:
        shutil.copytree(REPOSITORY / "notebooks", lab.folder, dirs_exist_ok=True)
        run(lab, arguments.seconds, arguments.workload, arguments.memory_frames)


if __name__ == "__main__":
    main()
