"""A live session as a user has it: a real JupyterLab in a real Chromium."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab
from tests.browser.panel_page import PanelPage
from workbench.control import ControlBlock, find_blocks
from workbench.errors import WorkbenchError

SIX_CHARTS = ("Throughput", "Memory", "Caches", "TLS cache capacity", "BigCache", "L2.5 shards")
# Builds and drops containers for ever, but not without its parent.
PROGRAM = """
import os, time
parent = os.getppid()
while os.getppid() == parent:
    table = {index: [index] * (index % 50) for index in range(2000)}
    time.sleep(0.005)
"""


def worker_pids() -> list[int]:
    """Runners of this JupyterLab's kernels; others may run on the machine, too."""
    return [info.pid for info in find_blocks(kind="workload") if info.alive and is_ours(info.pid)]


def is_ours(pid: int) -> bool:
    try:
        return any(parent.pid == os.getpid() for parent in psutil.Process(pid).parents())
    except psutil.NoSuchProcess:
        return False


def await_no_process(pid: int) -> None:
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.05)


@pytest.fixture
def panel(page: Page, lab: Lab) -> PanelPage:
    opened = PanelPage(page, lab)
    opened.open("01_live_tuning.ipynb", run_cells=1)
    return opened


def find_worker(before: list[int]) -> int:
    deadline = time.monotonic() + 30
    while True:
        new = [pid for pid in worker_pids() if pid not in before]
        if new:
            return new[0]
        assert time.monotonic() < deadline, "no worker"
        time.sleep(0.05)


def test_start_tune_and_stop(panel: PanelPage, tmp_path: Path) -> None:
    before = worker_pids()
    panel.start("phases", Threads="1")
    pid = find_worker(before)
    panel.await_frames(3)
    for title in SIX_CHARTS:
        expect(panel.chart(title)).to_be_attached()
        expect(panel.chart(title).get_by_role("heading", name=title, exact=True)).to_be_attached()

    # Twenty presses of a key are one change, one marker on every chart, one line of the log.
    slider = panel.slider("tls.grow_percent")
    slider.focus()
    for _ in range(20):
        panel.page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value("60")
    expect(panel.control("tls.grow_percent")).to_contain_text("effective 60 %", timeout=30_000)
    panel.expect_status(r"tls\.grow_percent 80 → 60 % adopted by 1 of 1 thread")
    panel.expect_log(r"you: tls\.grow_percent 80 → 60 %")
    assert panel.panel.get_by_role("log").locator(".hak-change").count() == 1
    with ControlBlock.open(pid) as block:
        assert block.effective().values["tls.grow_percent"] == 60
    panel.await_frames(2)
    for title in ("Throughput", "TLS cache capacity"):
        panel.chart(title).scroll_into_view_if_needed()
        panel.await_frames(2)
        assert panel.trace_points(title, "changes") == 2  # a line from bottom to top

    panel.button("Undo").click()
    expect(panel.control("tls.grow_percent")).to_contain_text("effective 80 %", timeout=30_000)
    panel.button("Redo").click()
    expect(panel.control("tls.grow_percent")).to_contain_text("effective 60 %", timeout=30_000)

    # A value out of range is refused beside its control, with the range.
    entry = panel.control("tls.grow_percent").get_by_role("textbox")
    entry.fill("120")
    entry.press("Enter")
    expect(panel.control("tls.grow_percent").get_by_role("alert")).to_contain_text("50 to 99 %")
    # It stays, marked as wrong, until it is changed or dropped.
    expect(panel.field("tls.grow_percent, exact value")).to_have_value("120")
    expect(entry).to_have_attribute("aria-invalid", "true")
    panel.slider("tls.shrink_percent").focus()
    panel.await_frames(5)
    expect(entry).to_have_value("120")
    entry.press("Escape")
    expect(entry).to_have_value("60")
    expect(entry).to_have_attribute("aria-invalid", "false")
    for typed in ("70 %", "7e1"):
        entry.fill(typed)
        entry.press("Enter")
        expect(entry).to_have_value("70")
    expect(panel.button("Reset tls.grow_percent")).to_be_visible()
    expect(slider).to_have_value("70")
    expect(panel.control("tls.grow_percent").locator(".hak-problem")).to_have_text("")

    panel.button("Pause").click()
    panel.expect_status("paused phases")
    panel.button("Resume").click()
    panel.expect_status("running phases")

    target = tmp_path / "tuned.env"
    panel.button("Export").click()
    panel.field("File").fill(str(target))
    panel.button("Write").click()
    panel.expect_log("exported the values to")
    assert "HAKMEM_TLS_GROW_PERCENT=70" in target.read_text()

    panel.button("Stop").click()
    panel.expect_status("stopped after")
    await_no_process(pid)
    assert panel.subshells > 0


def test_comms_without_subshells(page: Page, lab: Lab) -> None:
    # JupyterLab's default gives comms a thread of their own; the rest of these tests have that.
    before = worker_pids()
    lab.use_subshells("disabled")
    try:
        panel = PanelPage(page, lab)
        panel.open("01_live_tuning.ipynb", run_cells=1)
        panel.start("phases", Threads="1")
        pid = find_worker(before)
        panel.await_frames(3)
        slider = panel.slider("tls.grow_percent")
        slider.focus()
        for _ in range(20):
            panel.page.keyboard.press("ArrowLeft")
        expect(panel.control("tls.grow_percent")).to_contain_text("effective 60 %", timeout=30_000)
        panel.expect_log(r"you: tls\.grow_percent 80 → 60 %")
        assert panel.panel.get_by_role("log").locator(".hak-change").count() == 1
        panel.await_frames(2)
        panel.chart("Throughput").scroll_into_view_if_needed()
        panel.await_frames(2)
        assert panel.trace_points("Throughput", "changes") == 2
        # The kernel's one thread is free between two messages, so cells run as ever.
        panel.run_cell(1)
        panel.expect_output(1, "phases")
        panel.button("Stop").click()
        panel.expect_status("stopped after")
        await_no_process(pid)
        assert panel.subshells == 0
    finally:
        lab.use_subshells("perCommTarget")


def test_a_preset_and_reset(panel: PanelPage) -> None:
    panel.field("Preset").select_option("analysis")
    expect(panel.slider("tls.grow_percent")).to_have_value("90")
    expect(panel.slider("tls.shrink_percent")).to_have_value("30")
    panel.button("Reset").click()
    expect(panel.slider("tls.grow_percent")).to_have_value("80")
    expect(panel.field("Preset")).to_have_value("default")

    # A saved preset can be deleted, after a question; one that ships cannot.
    delete = panel.button("Delete preset")
    expect(delete).to_be_hidden()
    panel.field("Preset").select_option("low memory")
    expect(panel.slider("tls.grow_percent")).to_have_value("95")
    expect(delete).to_be_hidden()
    panel.button("Save preset").click()
    panel.field("Preset name").fill("mine")
    panel.button("Save").click()
    expect(panel.field("Preset")).to_have_value("mine")
    delete.click()
    question = panel.panel.get_by_role("group", name="Delete preset", exact=True)
    question.get_by_role("button", name="Cancel").click()
    expect(question).to_be_hidden()
    delete.click()
    question.get_by_role("button", name="Delete", exact=True).click()
    expect(panel.field("Preset").locator("option", has_text="mine")).to_have_count(0)
    expect(panel.field("Preset")).to_have_value("low memory")
    expect(panel.slider("tls.grow_percent")).to_have_value("95")
    expect(delete).to_be_hidden()


def test_a_killed_worker_is_said_and_the_kernel_leaves_no_process(panel: PanelPage, lab: Lab) -> None:
    before = worker_pids()
    panel.start("phases", Threads="1")
    pid = find_worker(before)
    panel.await_frames(2)
    os.kill(pid, signal.SIGKILL)
    panel.expect_status("crashed")
    problem = panel.panel.locator(".hak-error")
    expect(problem).to_contain_text("SIGKILL")
    expect(problem).to_contain_text("last events")
    await_no_process(pid)
    # The kernel lives, and so does the panel.
    panel.start("larson", Threads="1")
    panel.await_frames(2)
    pid = find_worker(before)
    # The kernel ends, and what it ran with it.
    (kernel,) = lab.kernel_ids()
    lab.call(f"kernels/{kernel}/restart", "POST")
    await_no_process(pid)


def test_attach_to_a_program_and_detach(panel: PanelPage) -> None:
    workbench = Path(sys.executable).parent / "workbench"
    command = [str(workbench), "exec", "--", sys.executable, "-c", PROGRAM]
    program = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                block = ControlBlock.open(program.pid)
                break
            except WorkbenchError:
                assert program.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        with block:
            option = (
                panel.field("Running process")
                .locator("option")
                .filter(has_text=re.compile(f"^{program.pid} "))
            )
            expect(option).to_be_attached(timeout=30_000)
            panel.field("Running process").select_option(option.get_attribute("value"))
            panel.button("Attach").click()
            panel.expect_status("attached to python")
            panel.await_frames(3)
            slider = panel.slider("tls.grow_percent")
            slider.focus()
            panel.page.keyboard.press("Home")
            expect(panel.control("tls.grow_percent")).to_contain_text("effective 50 %", timeout=30_000)
            assert block.effective().values["tls.grow_percent"] == 50
            panel.button("Detach").click()
            panel.button("Restore values").click()
            panel.expect_log("values restored")
            assert block.requested().values["tls.grow_percent"] == 80
        assert program.poll() is None
    finally:
        program.kill()
        program.wait()


def test_a_page_loaded_again_and_a_second_tab_get_everything(panel: PanelPage, lab: Lab) -> None:
    panel.start("phases", Threads="1", Seed="18446744073709551613")
    panel.await_frames(10)
    points = panel.trace_points("Throughput", "workload.operations")
    assert points > 5
    # Saved first, as JupyterLab forgets an output that is not.
    panel.page.keyboard.press("Control+s")
    expect(panel.page.locator(".jp-mod-dirty")).to_have_count(0)
    panel.page.reload()
    panel.panel.wait_for()
    panel.await_frames(2)
    assert panel.trace_points("Throughput", "workload.operations") >= points
    panel.expect_log("TLS_GROW class")  # of many lines; those of the start may be gone from it
    expect(panel.field("Workload")).to_have_value("phases")
    expect(panel.field("Seed")).to_have_value("18446744073709551613")

    # A second tab of the browser: both show frames, and what either does.
    other = PanelPage(panel.page.context.new_page(), lab)
    other.open("01_live_tuning.ipynb", run_cells=0)
    other.expect_log("TLS_GROW class")
    other.await_frames(3)
    assert other.trace_points("Throughput", "workload.operations") >= points
    panel.await_frames(3)
    for acting, percent in ((other, 60), (panel, 70)):
        entry = acting.control("tls.grow_percent").get_by_role("textbox")
        entry.fill(f"{percent} %")
        entry.press("Enter")
        for shown in (panel, other):
            expect(shown.slider("tls.grow_percent")).to_have_value(str(percent))
            expect(shown.control("tls.grow_percent")).to_contain_text(f"effective {percent} %")
            shown.expect_log(f"→ {percent} %")
            shown.await_frames(3)
    other.page.close()
    panel.await_frames(10)

    # Two views in one page.
    panel.page.locator(".jp-OutputArea-output .hak-panel").click(button="right", position={"x": 4, "y": 4})
    panel.page.get_by_text("Create New View for Cell Output").click()
    views = panel.page.locator(".hak-panel")
    expect(views).to_have_count(2)
    for view in views.all():
        expect(view.locator('[data-name="tls.grow_percent"]')).to_contain_text("effective 70 %")
        view.scroll_into_view_if_needed()
    panel.page.wait_for_function(
        "() => [...document.querySelectorAll('.hak-panel')].every((root) => Number(root.dataset.frames) >= 3)"
    )
    panel.button("Stop").click()
    panel.expect_status("stopped after")


def test_zoom_survives_updates(panel: PanelPage) -> None:
    panel.start("phases", Threads="1")
    panel.await_frames(10)
    chart = panel.chart("Throughput")
    chart.scroll_into_view_if_needed()
    drag = chart.locator(".nsewdrag").first
    box = drag.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    panel.page.mouse.move(box["x"] + box["width"] * 0.3, y)
    panel.page.mouse.down()
    panel.page.mouse.move(box["x"] + box["width"] * 0.6, y, steps=5)
    panel.page.mouse.up()
    read_range = "plot => [...plot.layout.xaxis.range]"
    zoomed = chart.locator(".hak-plot").evaluate(read_range)
    panel.await_frames(8)
    assert chart.locator(".hak-plot").evaluate(read_range) == zoomed
    panel.page.mouse.dblclick(box["x"] + box["width"] / 2, y)
    panel.await_frames(4)
    assert chart.locator(".hak-plot").evaluate(read_range) != zoomed
    panel.button("Stop").click()
