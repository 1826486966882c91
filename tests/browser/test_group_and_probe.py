"""A server of several processes as a group, with a figure of its own beside it, in the panel."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Lab
from tests.browser.panel_page import PanelPage
from tests.panel.test_programs import PLAN
from workbench.allocators import get_allocator, run_environment
from workbench.control import ControlBlock, find_blocks
from workbench.sessions import Session

# Workers allocate, and write how many requests they served; one that ends is started again.
SERVER = """
import os, sys, time
folder, parent = sys.argv[1], os.getpid()
def work():
    kept = [None] * 1000
    served = 0
    while os.getppid() == parent:
        for place in range(1000):
            kept[place] = bytearray(50 + place)
        served += 1
        with open(f"{folder}/{os.getpid()}.new", "w") as file:
            file.write(str(served))
        os.replace(f"{folder}/{os.getpid()}.new", f"{folder}/requests")
        time.sleep(0.02)
    os._exit(0)
workers = set()
end = time.monotonic() + 300
while time.monotonic() < end and os.getppid() == int(sys.argv[2]):
    while len(workers) < 4:
        pid = os.fork()
        if pid == 0:
            work()
        workers.add(pid)
    pid, _ = os.waitpid(-1, os.WNOHANG)
    workers.discard(pid)
    time.sleep(0.05)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The server; `requests` in the folder has its figure."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), str(os.getpid())],
        env=run_environment(get_allocator("hakmem").library) | {"PYTHONMALLOC": "malloc"},
    ) as process:
        yield process
        process.kill()


def list_workers(server: subprocess.Popen[bytes]) -> list[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="utf-8")
    return [int(pid) for pid in children.split()]


def test_a_group_and_a_probe_in_the_panel(
    page: Page, lab: Lab, server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    deadline_s = time.monotonic() + 60
    while not {*list_workers(server)} & {info.pid for info in find_blocks()} or len(list_workers(server)) < 4:
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    panel = PanelPage(page, lab)
    panel.open("01_live_tuning.ipynb", run_cells=1)
    group = f"parent:{server.pid}"
    probe = panel.field("Probe")
    probe.fill(f"served:requests=file:{tmp_path}/requests")
    probe.press("Enter")
    probe.fill("words=echo seven")
    probe.press("Enter")
    panel.expect_log("probe words: words=echo seven")
    processes = panel.field("Running process")
    offered = processes.locator(f'option[value="{group}"]')
    expect(offered).to_have_text(f"python {server.pid} with its children: 5 processes")
    processes.select_option(group)
    panel.button("Attach").click()
    panel.expect_status(rf"attached to {group} \(5 processes\), .*ops/s, .* MiB resident")
    panel.await_frames(3)

    panel.slider("tls.grow_percent").press("ArrowLeft")
    panel.expect_log(r"you: tls\.grow_percent 80 → 79")
    first, *_ = list_workers(server)
    os.kill(first, signal.SIGKILL)
    panel.expect_log(rf"ended: {first}; \d processes now")
    panel.expect_log(r"began: \d+; 5 processes now")
    panel.expect_status(rf"attached to {group} \(5 processes\)")
    note = panel.field("Note")
    note.fill("a worker was killed")
    note.press("Enter")
    panel.expect_log("note: a worker was killed")

    chart, gap = panel.chart("served"), panel.chart("words")
    expect(chart).to_contain_text("requests")
    chart.scroll_into_view_if_needed()
    panel.await_frames(5)
    assert panel.trace_points("served", "probe.served") > 0
    assert panel.trace_points("served", "changes") == 4  # the slider and the note
    expect(gap).to_contain_text("the command gave 'seven'; a number is wanted")
    expect(gap).to_have_class(re.compile("hak-folded"))
    chart.hover()
    panel.button("served: move back").click()
    panel.button("served: large or small").click()
    expect(chart).to_have_class(re.compile("hak-large"))
    throughput = panel.chart("Throughput")
    throughput.hover()
    panel.button("Throughput: hide").click()
    expect(throughput).to_be_hidden()
    chart.scroll_into_view_if_needed()
    panel.await_frames(3)
    page.screenshot(path=str(lab.folder.parent / "group.png"))
    panel.field("Hidden charts").select_option("Throughput")
    expect(throughput).to_be_visible()
    gap.hover()
    panel.button("words: remove the probe").click()
    expect(gap).to_have_count(0)
    for pid in [server.pid, *list_workers(server)]:
        (info,) = find_blocks(pid=pid)
        with ControlBlock.open(info.path) as block:
            assert block.requested().values["tls.grow_percent"] == 79
    panel.button("Detach").click()
    panel.button("Restore values").click()
    panel.expect_status(f"detached from {group}")

    (folder,) = (lab.folder / "sessions").glob("*parent*.session")
    session = Session.open(folder)
    assert [probe.name for probe in session.facts.probes] == ["served", "words"]
    assert [note.text for note in session.facts.notes] == ["a worker was killed"]
    assert session.samples["probe.served_requests"].max() > 0

    # A server of a plan begins under the allocator of the form, with its client, until Stop.
    (lab.folder / "service.toml").write_text(PLAN)
    panel.field("Workload").select_option("command")
    expect(panel.field("Seconds")).to_be_hidden()
    expect(panel.panel.locator('datalist option[value="service.toml"]')).to_have_count(1, timeout=30_000)
    panel.field("Command").fill("service.toml")
    panel.button("Start").click()
    panel.expect_log("starting service under hakmem: ")
    panel.expect_status(r"running service under hakmem \(2 processes\)")
    panel.slider("tls.grow_percent").press("ArrowLeft")
    panel.expect_log("its first figures: my rate 12.5 1/s")
    rate = panel.chart("my_rate")
    rate.scroll_into_view_if_needed()
    panel.await_frames(3)
    assert panel.trace_points("my_rate", "probe.my_rate") > 0
    page.screenshot(path=str(lab.folder.parent / "program.png"))
    panel.button("Stop").click()
    panel.expect_status(r"service under hakmem.* stopped after .* of its client")
