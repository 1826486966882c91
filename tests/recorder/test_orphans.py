"""`workbench record` killed: the program goes on, fills no disk, and the next recording tidies up."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.cli.terminal import PATIENCE_S, WORKBENCH, start, wait_until
from workbench.processes import record
from workbench.traces import Trace

SEGMENT_BYTES = 1 << 20


def test_a_program_whose_recorder_was_killed(recorded_program: Path, tmp_path: Path) -> None:
    spools = tmp_path / "spools"
    spools.mkdir()
    (spools / "mine").mkdir()
    output = tmp_path / "a.haktrace"
    command = [WORKBENCH, "record", "-o", output, "--spool", spools, "--", recorded_program, "told"]
    with start(command, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        wait_until(lambda: output.is_file() and output.stat().st_size > 0)
        process.kill()
        process.wait(PATIENCE_S)
        process.stdin.write("go on\n")
        process.stdin.flush()
        assert process.stdout.readline() == "done\n"  # after half a million more events
    (spool,) = spools.glob("hakmem-spool-*")
    assert sum(path.stat().st_size for path in spool.iterdir()) < 2 * SEGMENT_BYTES
    with Trace.open(output) as trace:
        assert trace.damage is not None

    record([str(recorded_program), "each"], tmp_path / "b.haktrace", spool_directory=spools)
    assert [path.name for path in spools.iterdir()] == ["mine"]


def test_spools_in_use_are_left_alone(recorded_program: Path, tmp_path: Path) -> None:
    """A recording within a recording."""
    inner = [
        WORKBENCH,
        "record",
        "-o",
        tmp_path / "in",
        "--spool",
        tmp_path,
        "--",
        recorded_program,
        "threads",
    ]
    outcome = record(
        [str(word) for word in inner], tmp_path / "out", children=False, spool_directory=tmp_path
    )
    assert outcome.exit_code == 5
    for name in ("in", "out"):
        with Trace.open(tmp_path / name) as trace:
            assert trace.metadata.complete
    assert not list(tmp_path.glob("hakmem-spool-*"))
