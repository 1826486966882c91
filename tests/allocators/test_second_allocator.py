"""With one row of the table an allocator that the workbench does not know has all that hakmem has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from workbench.allocators import Allocator
from workbench.control import ControlBlock, Value
from workbench.panel.actions import Actions
from workbench.panel.session import LiveSession
from workbench.panel.state import StateBook
from workbench.processes import Program
from workbench.sessions import PresetStore, Session, compare_sessions, explain_inexactness, repeat_session

pytestmark = pytest.mark.usefixtures("pond")
COMMAND = Path(sys.executable).with_name("workbench")
SHORT = ("--operations", "20000", "--allocator", "pond")
CAP_S = 180


def workbench(folder: Path, *words: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        [COMMAND, *words], check=False, cwd=folder, capture_output=True, text=True, timeout=CAP_S
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"(note: \S+ claims nothing, .*\n)?", done.stderr), done.stderr  # noise decides that
    return done.stdout


def test_it_describes_itself(pond: Allocator) -> None:
    assert (pond.version, pond.kind, pond.is_tunable) == ("7.1", "pond", True)
    assert list(pond.tunables) == ["pond.depth", "pond.fish", "pond.shore", "pond.frozen"]
    settings: dict[str, Value] = {"pond.depth": "9 blocks", "pond.fish": "carp", "pond.frozen": True}
    assert pond.environment_of(settings) == {"POND_CONF": "depth=9;fish=carp;ice=yes"}
    assert pond.presets[0].values == {"pond.depth": 64}


def test_run_takes_its_settings(tmp_path: Path) -> None:
    settings = ("--set", "pond.depth=9", "--set", "pond.shore=8KiB", "--set", "pond.frozen=on")
    told = json.loads(workbench(tmp_path, "run", "larson", *SHORT, *settings, "--json"))
    assert told["status"] == "completed"
    assert told["effective"] == {
        "pond.depth": 9,
        "pond.fish": "pike",
        "pond.shore": 8192,
        "pond.frozen": True,
    }


def test_a_program_under_it_is_set_and_exported(tmp_path: Path) -> None:
    with Program.start(["sleep", "60"], {"pond.fish": "carp"}, allocator="pond") as program:
        with program.open_block() as block:
            assert block.requested().values["pond.fish"] == "carp"
        assert "pond.depth: 4 blocks -> 11 blocks" in workbench(
            tmp_path, "set", str(program.pid), "pond.depth=11"
        )
        workbench(tmp_path, "export", str(program.pid), "--format", "env", "-o", "pond.env")
    assert "POND_CONF='depth=11;fish=carp;ice=no;shore=4096'" in (tmp_path / "pond.env").read_text()
    text = workbench(tmp_path, "export", "--settings", "pond.env", "--format", "toml")
    assert '"pond.depth" = 11' in text
    told = workbench(
        tmp_path, "exec", "--allocator", "pond", "--settings", "pond.env", "--", "sh", "-c", "echo $POND_CONF"
    )
    assert told == "depth=11;fish=carp;shore=4096;ice=no\n"


def test_a_variant_is_compared_exported_and_verified(tmp_path: Path) -> None:
    words = ("compare", "larson", "--allocators", "pond", "--variant", "deep:pond.depth=30")
    workbench(tmp_path, *words, "--rounds", "8", "--operations", "2000", "--export", "deep.env")
    assert "POND_CONF=depth=30" in (tmp_path / "deep.env").read_text()
    # What it keeps is 1 KiB for each block of its depth: a figure that no noise touches.
    assert "7.500" in workbench(tmp_path, "verify", "deep.env", "--quick")


def test_it_is_swept_and_tuned(tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(
        'workloads = ["larson"]\noperations = 2000\n[axes]\nallocator = ["pond", "glibc"]\n'
        '"pond.depth" = { from = 1, to = 64, steps = 2 }\n'
    )
    workbench(tmp_path, "sweep", "sweep.toml", "--output", "swept")
    assert workbench(tmp_path, "sweep", "sweep.toml", "--output", "swept").count("larson") >= 2
    (tmp_path / "study.toml").write_text(
        'allocator = "pond"\nworkloads = ["larson"]\noperations = 2000\nrounds = 6\ntrials = 1\n'
        'search = ["pond.depth"]\n'
    )
    told = json.loads(workbench(tmp_path, "tune", "study.toml", "--no-held-out", "--json"))
    assert told["trials"][0]["settings"].keys() == {"pond.depth"}


def step_until(session: LiveSession, is_done: Any) -> None:
    deadline = time.monotonic() + CAP_S
    while not is_done():
        assert time.monotonic() < deadline, session.write_status()
        session.step()
        time.sleep(0.01)


def test_the_panel_has_its_sliders_charts_and_sessions(tmp_path: Path) -> None:
    session = LiveSession(tmp_path / "sessions")
    book = StateBook(session, Actions(session, PresetStore(tmp_path / "presets.json")))
    try:
        session.choose("pond")
        parts = book.take_changes()
        shown = [one["tunable"].name for group in parts["controls"] for one in group["controls"]]
        assert shown == ["pond.depth", "pond.fish", "pond.frozen", "pond.shore"]
        assert [preset.name for preset in parts["presets"]["names"]] == ["default", "flood"]
        session.settings.set_one("pond.fish", "carp")
        session.start({"workload": "pair", "allocator": "pond", "threads": "1", "seconds": "0"})
        step_until(session, lambda: {"Ripples", "Reserve"} <= {chart.title for chart in session.charts})
        session.settings.set_one("pond.depth", 20)
        step_until(session, lambda: session.settings.changes.entries()[-1].after == {"pond.depth": 20})
        session.stop()
        step_until(session, lambda: not session.is_process_alive)
        # Another is chosen: what waited for it is there again.
        session.choose("hakmem")
        assert "pond.fish" not in session.settings.requested()
        session.choose("pond")
        assert session.settings.requested()["pond.fish"] == "carp"
        assert session.keeper.latest is not None
        recorded = Session.open(session.keeper.latest)
    finally:
        session.close()
    assert explain_inexactness(recorded) == []
    repeated = repeat_session(recorded, tmp_path / "again")
    assert repeated.spec is not None
    assert [step.settings for step in repeated.spec.schedule] == [{"pond.depth": 20}]
    assert repeated.operations == recorded.operations
    assert not compare_sessions(recorded, repeated).difference


def test_a_process_under_it_is_attached_to(tmp_path: Path) -> None:
    session = LiveSession()
    try:
        with Program.start(["sleep", "60"], allocator="pond") as program:
            with program.open_block() as block:
                session.attach(str(block.info.path))
            session.settings.set_one("pond.depth", 5)
            with ControlBlock.open(program.pid) as block:
                assert block.requested().values["pond.depth"] == 5
            session.detach(restore=True)
    finally:
        session.close()
