"""What a user does on the panel's page, by accessible names."""

from __future__ import annotations

import re
from itertools import count

from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PageTimeoutError

from tests.browser.conftest import TOKEN, Lab

CELL = ".jp-Notebook .jp-CodeCell"
COUNT_SUBSHELLS = """() => {
  window.subshells = 0;
  const original = WebSocket.prototype.send;
  const decoder = new TextDecoder("latin1");
  WebSocket.prototype.send = function (content) {
    const text = typeof content === "string" ? content : decoder.decode(content);
    if (text.includes('"create_subshell_request"')) window.subshells += 1;
    return original.call(this, content);
  };
}"""

DESCRIBE = """() => {
  const root = document.querySelector(".hak-panel");
  if (!root) return { panel: "none on the page", hidden: document.hidden };
  const grid = root.querySelector(".hak-charts").hakGrid;
  const text = (name) => root.querySelector(name).textContent;
  const { top, bottom, width } = grid.element.getBoundingClientRect();
  return {
    state: root.dataset.state, frames: root.dataset.frames, hidden: document.hidden,
    plotly: Boolean(grid.plotly), charts: grid.charts.size, ...grid.describe(),
    box: [top, bottom, width].map(Math.round), window: [innerWidth, innerHeight],
    status: text(".hak-status"), error: text(".hak-error span"),
  };
}"""


class PanelPage:
    """A notebook with the panel in it."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page = page
        self.lab = lab
        self._waits = count(1)
        page.add_init_script(f"({COUNT_SUBSHELLS})()")

    @property
    def subshells(self) -> int:
        """How many threads for comms the page has asked the kernel for."""
        return int(self.page.evaluate("() => window.subshells"))

    @property
    def panel(self) -> Locator:
        """The panel itself."""
        return self.page.locator(".hak-panel").first

    def open(self, notebook: str, *, run_cells: int) -> None:
        """Opens a notebook and runs its first code cells, as Shift+Enter does."""
        self.page.goto(f"{self.lab.url}/lab/tree/{notebook}?token={TOKEN}&reset")
        self.page.locator(CELL).first.wait_for()
        self.page.keyboard.press("Control+b")
        # A cell that is run before there is a kernel is not run at all.
        expect(self.page.get_by_text(re.compile(r"\| Idle$"))).to_be_visible(timeout=90_000)
        for index in range(run_cells):
            self.run_cell(index)
        self.panel.wait_for()
        self.slider("tls.grow_percent").wait_for()

    def run_cell(self, index: int) -> None:
        """Runs the code cell of that number, counted from 0."""
        self.page.locator(CELL).nth(index).locator(".jp-InputArea-editor").click()
        self.page.keyboard.press("Shift+Enter")

    def expect_output(self, index: int, pattern: str) -> None:
        """Waits until the code cell of that number has printed something."""
        output = self.page.locator(CELL).nth(index).locator(".jp-OutputArea-output")
        expect(output.first).to_contain_text(re.compile(pattern), timeout=90_000)

    def button(self, name: str) -> Locator:
        """A button by its name."""
        return self.panel.get_by_role("button", name=name, exact=True)

    def slider(self, name: str) -> Locator:
        """The slider of a tunable."""
        return self.panel.get_by_role("slider", name=name, exact=True)

    def chart(self, title: str) -> Locator:
        """A chart by its title."""
        return self.panel.get_by_role("figure", name=title, exact=True)

    def field(self, label: str) -> Locator:
        """A form field by its label."""
        return self.panel.get_by_label(label, exact=True)

    def control(self, name: str) -> Locator:
        """All that belongs to one tunable."""
        return self.panel.locator(f'[data-name="{name}"]')

    def expect_status(self, pattern: str) -> None:
        """Waits until the status line says something."""
        expect(self.panel.locator(".hak-status")).to_contain_text(re.compile(pattern), timeout=90_000)

    def expect_log(self, pattern: str) -> None:
        """Waits until the log has a line."""
        expect(self.panel.get_by_role("log")).to_contain_text(re.compile(pattern), timeout=90_000)

    def await_frames(self, more: int = 3, timeout_s: float = 180.0) -> None:
        """Waits until so many more frames are drawn; tells how the panel stands if they are not."""
        # The panel's own count starts again when JupyterLab makes an output's elements anew, so what is
        # waited for is its steps. Polled by time: a page behind another gets no animation frames.
        try:
            self.page.wait_for_function(
                """(wanted) => {
                    const drawn = Number(document.querySelector('.hak-panel')?.dataset.frames || 0);
                    const seen = (window.framesSeen ??= { key: null });
                    const isNew = seen.key !== wanted.key;
                    if (isNew) Object.assign(seen, { key: wanted.key, last: drawn, steps: 0 });
                    // Whoever waits for charts and sees none scrolls to them.
                    const visible = document.querySelector('.hak-charts')?.hakGrid.describe().visible;
                    seen.blind = visible?.length ? 0 : (seen.blind || 0) + 1;
                    const chart = document.querySelector('.hak-chart');
                    if (seen.blind >= 10) chart?.scrollIntoView({ block: 'center' });
                    seen.steps += drawn >= seen.last ? drawn - seen.last : drawn;
                    seen.last = drawn;
                    return seen.steps >= wanted.more;
                }""",
                arg={"key": next(self._waits), "more": more},
                polling=100,
                timeout=timeout_s * 1000,
            )
        except PageTimeoutError as error:
            raise AssertionError(f"no {more} more frames in {timeout_s:g} s: {self.describe()}") from error

    def describe(self) -> dict[str, object]:
        """How the panel stands, for whoever looks why a test failed."""
        return dict(self.page.evaluate(DESCRIBE))

    def trace_points(self, title: str, name: str) -> int:
        """How many points a line of a chart has on the screen now."""
        return int(
            self.chart(title)
            .locator(".hak-plot")
            .evaluate(
                "(plot, name) => { const line = plot.data.find((trace) => trace.name === name);"
                " return line ? [...line.x].filter((x) => x !== null && !Number.isNaN(x)).length : 0; }",
                name,
            )
        )

    def start(self, workload: str, **fields: str) -> None:
        """Chooses a workload and presses Start."""
        self.field("Workload").select_option(workload)
        for label, value in fields.items():
            self.field(label).fill(value)
        self.button("Start").click()
        self.expect_status(f"running {workload}")
