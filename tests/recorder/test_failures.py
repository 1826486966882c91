"""Whatever goes wrong with a recording, the program runs to its own end."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import PATIENCE_S, WORKBENCH, start, wait_until
from tests.recorder.conftest import read_events
from workbench.processes import RecordingOutcome, record
from workbench.processes.process_trace import ProcessTrace
from workbench.traces import Trace

Run = Callable[..., RecordingOutcome]
MIB = 1 << 20
CHILDREN = 100
DESCRIPTORS = 64


@pytest.fixture
def mount_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a disk of so many bytes; skips the test where that is not allowed."""
    mounted: list[Path] = []

    def mount(size_bytes: int) -> Path:
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "small", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("only root may mount a small disk")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_the_disk_of_the_trace_is_full(
    recorded_program: Path, mount_disk: Callable[[int], Path], tmp_path: Path
) -> None:
    output = mount_disk(64 * 1024) / "a.haktrace"
    warnings: list[str] = []
    command = [str(recorded_program), "churn-long"]
    outcome = record(command, output, level=1, spool_directory=tmp_path, warn=warnings.append)
    assert outcome.exit_code == 5
    assert len(outcome.problems) == 1
    assert f"{output}: No space left on device" in outcome.problems[0]
    assert warnings == list(outcome.problems)
    (trace,) = outcome.traces
    assert (trace.metadata.end, trace.metadata.complete) == ("gave up: No space left on device", False)
    assert trace.metadata.event_count > 0
    read_events(output)


def test_a_disk_without_any_room(
    recorded_program: Path, mount_disk: Callable[[int], Path], tmp_path: Path
) -> None:
    disk = mount_disk(64 * 1024)
    (disk / "filler").write_bytes(bytes(64 * 1024))
    outcome = record([str(recorded_program), "each"], disk / "a.haktrace", spool_directory=tmp_path)
    assert outcome.exit_code == 5
    assert "No space left on device" in outcome.problems[0]
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_the_disk_of_the_spool_is_full(
    recorded_program: Path, mount_disk: Callable[[int], Path], tmp_path: Path
) -> None:
    """Also where the children's first records find no room: nothing is said in the program's name."""
    spools = mount_disk(20 * 1024)  # some heads, no segment
    command = [WORKBENCH, "record", "-o", tmp_path / "a", "--spool", spools, "--", recorded_program]
    done = subprocess.run(
        [*map(str, command), "children", "20"], input="\n", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (5, "all alive\n")
    assert "process" not in done.stderr.replace("processes", "")
    assert "processes could not be recorded: No space left on device" in done.stderr
    with Trace.open(tmp_path / "a") as trace:
        assert trace.damage is None
        assert trace.metadata.end == "stopped: No space left on device"
    assert list(spools.iterdir()) == []


def test_more_children_than_the_recorder_may_have_descriptors(recorded_program: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

    command = [WORKBENCH, "record", "-o", tmp_path / "a", "--level", "1", "--spool", tmp_path, "--"]
    command += [recorded_program, "children", CHILDREN]
    with start(command, preexec_fn=limit, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "all alive\n"
        wait_until(lambda: len(list(tmp_path.glob("a.*.haktrace"))) == CHILDREN)
        _, said = process.communicate("\n", PATIENCE_S)
    assert process.returncode == 5
    assert "workbench:" not in said
    for path in tmp_path.glob("a*"):
        with Trace.open(path) as trace:
            assert trace.metadata.complete, (path, trace.metadata.end)


@pytest.mark.parametrize("damage", ["garbage", "gone", "unreadable head"])
def test_a_spool_that_somebody_damages(recorded_program: Path, tmp_path: Path, damage: str) -> None:
    command = [WORKBENCH, "record", "-o", tmp_path / "a", "--spool", tmp_path, "--"]
    command += [recorded_program, "children", "0"]
    with start(command, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "all alive\n"
        wait_until(lambda: (tmp_path / "a").is_file() and (tmp_path / "a").stat().st_size > 0)
        (spool,) = tmp_path.glob("hakmem-spool-*")
        (segment,) = spool.glob("*.00000000")
        if damage == "garbage":
            with segment.open("r+b") as file:  # in place: cut short, it would be the program's end
                file.write(b"garbage!" * (MIB // 8))
        elif damage == "gone":
            for path in spool.iterdir():
                path.unlink()
        else:
            (spool / "1-2.head").write_bytes(bytes(100))
        _, complaint = process.communicate("\n", PATIENCE_S)
    assert process.returncode == 5
    assert "Traceback" not in complaint
    with Trace.open(tmp_path / "a"):
        pass


def test_a_fault_of_the_recorder_itself(run_recorded: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: ProcessTrace) -> bool:
        raise RuntimeError("no good")

    monkeypatch.setattr(ProcessTrace, "read_on", fail)
    outcome = run_recorded("churn")
    assert outcome.exit_code == 5
    (problem,) = outcome.problems
    assert problem.startswith(f"{outcome.traces[0].path}: RuntimeError: no good; ")
    assert problem.endswith("and the program goes on")
    read_events(outcome.traces[0].path)


def test_an_interrupt_of_the_recorder_itself(
    run_recorded: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupt(_: ProcessTrace) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(ProcessTrace, "is_running", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_recorded("fork")
    read_events(tmp_path / "a.haktrace")


@pytest.mark.parametrize("what", ["removed", "replaced"])
def test_a_trace_that_is_taken_away(recorded_program: Path, tmp_path: Path, what: str) -> None:
    output = tmp_path / "a"
    command = [WORKBENCH, "record", "-o", output, "--spool", tmp_path, "--"]
    command += [recorded_program, "children", "0"]
    with start(command, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "all alive\n"
        wait_until(lambda: output.is_file() and output.stat().st_size > 0)
        output.unlink()
        if what == "replaced":
            output.write_text("precious")
        _, complaint = process.communicate("\n", PATIENCE_S)
    assert process.returncode == 5
    reason = "No such file or directory" if what == "removed" else "another file is there now"
    assert f"workbench: {output}: {reason}" in complaint
    assert not output.exists() if what == "removed" else output.read_text() == "precious"
