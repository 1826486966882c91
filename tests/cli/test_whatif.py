"""What-if curves of a running program: from the terminal, from Python and as the panel's chart."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

import workbench as wb
from tests.cli.terminal import WORKBENCH, Program, assert_refused, run_workbench, start, wait_until
from workbench.control import ControlBlock
from workbench.control.ghosts import foretell
from workbench.panel.whatif import WhatIfView

# Batches of 300 blocks of 833 bytes: more than a cache of 256 slots serves, and fewer than one of 512. Now
# and then three blocks of 2 MB at once, for which a BigCache of 4 MiB is too small.
LOOP = """
import itertools
print("ready", flush=True)
for turn in itertools.count():
    blocks = [bytes(800) for _ in range(300)]
    large = [bytearray(2_000_000) for _ in range(3)] if turn % 20 == 0 else []
"""


@pytest.fixture(scope="module")
def busy() -> Iterator[int]:
    """The pid of a program that allocates all the time, with ghosts on."""
    command = [WORKBENCH, "exec", "--", sys.executable, "-c", LOOP]
    with start(command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        refused = run_workbench("whatif", process.pid, "--seconds", "0.1")
        assert_refused(refused, "no ghosts count there", f"`workbench set {process.pid} ghost.enable=on`")
        run_workbench("set", process.pid, "ghost.enable=on", "tls.adapt_ms=10")
        with wb.attach(process.pid) as block:
            # The table of ghosts is made with the first of them, which may be while it looks.
            assert len(block.whatif(0.5).curves)
            wait_until(lambda: block.snapshot().fold("ghost.observed") > 3e6)
        yield process.pid


def test_the_terminal_shows_curves_and_advice(busy: int) -> None:
    told = run_workbench("whatif", busy, "--seconds", "0.5")
    assert told.status == 0
    assert "hakmem: if all caches have so many slots" in told.stdout
    assert "896 bytes" in told.stdout
    assert "what was foretold was off by" in told.stderr or "no real cache has changed" in told.stderr
    report = run_workbench("whatif", busy, "--seconds", "0.5", "--json").json
    assert report["pid"] == busy
    curve = {row["slots"]: row["exchanges"] for row in report["curves"] if row["block_bytes"] == 896}
    assert curve[16] > 10 * curve[1024]
    # Large blocks: one of three is kept by 4 MiB, and all of them by more, as the real cache does.
    assert "BigCache, if it kept so much" in told.stdout
    large = report["large"]
    rates = {row["max_mib"]: row["hit_rate"] for row in large["by_size"]}
    assert rates[4] + 0.3 < rates[16]
    assert large["today"]["hit_rate"] == pytest.approx(rates[1024], abs=0.05)
    assert [row["delay_ms"] for row in large["by_delay"]][-1] is None
    assert large["advice"]


def test_python_has_frames(busy: int) -> None:
    with wb.attach(busy) as block:
        told = block.whatif(0.5)
    own = told.curves[told.curves["block_bytes"] == 896]
    foretold = own[own["is_foretold"]]
    assert list(foretold["slots"]) == [16 << step for step in range(9)]
    assert foretold["held_kib"].between(0, 4096).all()
    (slots,) = own["slots"][own["is_today"]]
    assert 16 <= slots <= 4096
    assert set(told.advice["block_bytes"]) >= {896}


def test_where_nothing_was_allocated(busy: int) -> None:
    with wb.attach(busy) as block:
        snapshot = block.snapshot()
    told = foretell(snapshot, snapshot, "hakmem")
    assert (len(told.curves), len(told.totals), len(told.advice)) == (0, 0, 0)
    assert told.to_dict()["knees"] == {}


def test_the_panel_has_a_chart(busy: int) -> None:
    with ControlBlock.open(busy) as block:
        view = WhatIfView(block)
        assert view.read()["curves"] == []
        time.sleep(0.2)
        chart = view.read()
        curves = {curve["label"]: curve for curve in chart["curves"]}
        assert len(curves["896 bytes"]["points"]) == 9
        heads, *rows = chart["rows"]
        assert heads[0] == "class"
        assert heads[-1] == "advice"
        assert "896 bytes" in {row[0] for row in rows}
        assert len(chart["large"]["points"]) == 12
        assert chart["large"]["rows"][0][0] == "ss.purge_delay_ms"
    assert WhatIfView(None).read()["curves"] == []


def test_a_program_that_keeps_no_ghosts(untouched_program: Program) -> None:
    assert_refused(
        run_workbench("whatif", untouched_program.pid, "--seconds", "0.1"), "no ghosts count there"
    )
