"""Another allocator as a user tunes it: chosen, run, a slider moved, an action pressed, a refusal read."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab
from tests.browser.panel_page import PanelPage
from tests.cli.terminal import WORKBENCH
from workbench.allocators import get_allocator, get_row, run_environment
from workbench.control import ControlBlock
from workbench.errors import MissingAllocator
from workbench.sessions import Session, plan_repetition


def test_it_is_tuned_like_ours(page: Page, lab: Lab) -> None:
    try:
        get_allocator("jemalloc")
    except MissingAllocator as error:
        pytest.skip(str(error))
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    panel.field("Allocator").select_option("jemalloc")
    decay = "arena.i.dirty_decay_ms"
    panel.slider(decay).wait_for()
    expect(panel.slider("tls.grow_percent")).to_have_count(0)
    expect(panel.field("Preset")).to_have_value("default")
    offered = panel.field("Preset").locator("option:enabled")
    expect(offered).to_have_text(["default", *(one.name for one in get_row("jemalloc").presets)])
    purge = panel.button("purge")
    expect(purge).to_be_disabled()  # nothing runs that could do it
    name = panel.control(decay).locator(".hak-name")
    assert name.evaluate("node => node.scrollWidth <= node.clientWidth && node.clientHeight < 24")

    panel.start("phases", Threads="1")
    panel.await_frames(3)
    entry = panel.control(decay).get_by_role("textbox")
    entry.fill("500 ms")
    entry.press("Enter")
    expect(panel.control(decay)).to_contain_text("effective 500 ms")
    panel.expect_log(rf"you: {re.escape(decay)} 10000 → 500 ms")
    expect(panel.control("arenas.dirty_decay_ms")).to_contain_text("for new arenas")
    purge.click()
    panel.expect_log("you: purge")
    panel.expect_log(r"purge done: .* → .* MiB resident")
    actions = panel.panel.get_by_role("group", name="Actions", exact=True)
    expect(actions).to_contain_text(re.compile(r"\d\d:\d\d\.\d: .* → .* MiB resident"))
    expect(purge).to_have_attribute("title", re.compile("back at once"))
    for title in ("Throughput", "Memory"):
        panel.chart(title).scroll_into_view_if_needed()
        panel.await_frames(3)
        assert panel.trace_points(title, "changes") == 4  # a line for the value and one for the action
    # What the allocator refuses is said.
    panel.panel.locator('.hak-group[data-title="Background threads"] > summary').click()
    entry = panel.control("max_background_threads").get_by_role("textbox")
    entry.fill("64")
    entry.press("Enter")
    expect(panel.control("max_background_threads")).to_contain_text("but the allocator acts on 4 threads")
    panel.expect_log("TUNABLE_REFUSED setting max_background_threads")
    panel.button("Stop").click()
    panel.expect_status("stopped after")
    expect(purge).to_be_disabled()

    (folder,) = (lab.folder / "sessions").glob("*-jemalloc*.session")
    steps = plan_repetition(Session.open(folder)).schedule
    assert [dict(step.settings) for step in steps][:2] == [{decay: 500}, {"purge": "do"}]


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    """A program that keeps its own allocator, with the agent beside it."""
    keep = "kept = [bytes(1000) for _ in range(10000)]; print('ready', flush=True); input()"
    command = [str(WORKBENCH), "exec", "--agent", "--", "/usr/bin/python3", "-c", keep]
    with subprocess.Popen(
        command, env=run_environment(None), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_program_under_the_agent_is_attached_to(
    page: Page, lab: Lab, program: subprocess.Popen[str]
) -> None:
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    processes = panel.field("Running process")
    offered = processes.locator(f'option[value*="/{program.pid}."]')
    expect(offered).to_contain_text("python3")
    processes.select_option(offered.get_attribute("value"))
    panel.button("Attach").click()
    panel.expect_status(rf"attached to python3 \(pid {program.pid}\), .*MiB resident")
    entry = panel.control("M_TRIM_THRESHOLD").get_by_role("textbox")
    entry.fill("1 MiB")
    entry.press("Enter")
    panel.expect_log("you: M_TRIM_THRESHOLD .* → 1 MiB")
    expect(panel.control("M_TRIM_THRESHOLD")).to_contain_text("cannot be read back")
    panel.button("trim").click()
    panel.expect_log(r"trim done: .* → .* MiB resident")
    panel.await_frames(3)
    page.screenshot(path=str(lab.folder.parent / "agent.png"), full_page=True)
    with ControlBlock.open(program.pid, "glibc") as block:
        assert block.requested().values["M_TRIM_THRESHOLD"] == 1 << 20
    panel.button("Detach").click()
    panel.button("Restore values").click()
    panel.expect_status("detached from python3")
