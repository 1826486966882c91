"""Replays make the trace's requests on every allocator and are watched and ended like any run."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.replay import programs
from tests.replay.conftest import count_events
from workbench.allocators import RUNNER, allocators
from workbench.commands.run import CoursePoint, read_course_point
from workbench.control import ControlBlock
from workbench.errors import BadParameter, DamagedTrace, UnknownDataset, WorkbenchError
from workbench.processes import InProcessRun, Run, Worker, run
from workbench.traces.plan import find_plan

TIMEOUT_S = 120
HEADER_BYTES = 64 + 80 + 256 * 8 + 8  # struct replay_header
AVAILABLE = [allocator.name for allocator in allocators() if allocator.available]


def make_spec(trace: Path, allocator: str = "hakmem", **parameters: float) -> Run:
    return Run("replay", trace=str(trace), allocator=allocator, parameters=parameters)


def await_point(worker: Worker, is_reached: Callable[[CoursePoint], bool]) -> CoursePoint:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not is_reached(point := read_course_point(worker.workload_block)):
        assert worker.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
    return point


@pytest.fixture(scope="module")
def checksums() -> dict[str, str]:
    """What the first allocator said, for the others."""
    return {}


@pytest.mark.parametrize("allocator", AVAILABLE)
@pytest.mark.parametrize("trace", ["mixed", "pipeline"])
def test_every_allocator_gets_the_same_requests(
    trace: str, allocator: str, request: pytest.FixtureRequest, checksums: dict[str, str]
) -> None:
    path = request.getfixturevalue(trace)
    outcome = run(make_spec(path, allocator, loops=2), TIMEOUT_S)
    assert (outcome.status, outcome.message) == ("completed", "")
    assert outcome.operations == 2 * count_events(path)
    assert outcome.checksum == checksums.setdefault(trace, outcome.checksum)
    assert outcome.peak_resident_bytes > 0


@pytest.mark.parametrize("touch", [0, 1, 2, 3])
def test_what_is_written_changes_no_request(mixed: Path, touch: int) -> None:
    expected = run(make_spec(mixed), TIMEOUT_S).checksum
    assert run(make_spec(mixed, touch=touch), TIMEOUT_S).checksum == expected


def test_another_trace_has_another_checksum(tmp_path: Path, mixed: Path) -> None:
    other = programs.write(tmp_path / "other.haktrace", programs.mixed(6000, seed=4))
    assert run(make_spec(other), TIMEOUT_S).checksum != run(make_spec(mixed), TIMEOUT_S).checksum


@pytest.mark.parametrize("allocator", AVAILABLE)
def test_blocks_freed_by_other_threads_only(tmp_path: Path, allocator: str) -> None:
    # Two threads that free nothing but each other's: wherever an order were lost, a slot would be wrong.
    script = programs.Script()
    script.start(1)
    items: tuple[list[int], list[int]] = ([], [])
    numbers = random.Random(5)
    for _ in range(20_000):
        thread = numbers.randrange(2)
        if items[1 - thread] and numbers.random() < 0.5:
            script.free(thread, items[1 - thread].pop(numbers.randrange(len(items[1 - thread]))))
        else:
            items[thread].append(script.allocate(thread, numbers.randrange(2000)))
    path = programs.write(tmp_path / "t.haktrace", script)
    outcome = run(make_spec(path, allocator, loops=5), TIMEOUT_S)
    assert (outcome.status, outcome.operations) == ("completed", 5 * 20_000)


def test_memory_does_not_grow_with_the_trace(tmp_path: Path) -> None:
    script = programs.Script()
    for _ in range(150_000):
        script.free(0, script.allocate(0, 100))
    path = programs.write(tmp_path / "t.haktrace", script)
    assert find_plan(path).file_bytes > 4 * 2**20
    long, short = (run(make_spec(path, "glibc", loops=loops), TIMEOUT_S) for loops in (4, 1))
    assert long.peak_resident_bytes < short.peak_resident_bytes + 2**20
    assert long.peak_resident_bytes < 4 * 2**20


def test_the_table_of_objects_is_not_the_allocators(tmp_path: Path) -> None:
    script = programs.Script()
    for _ in range(100_000):
        script.allocate(0, 16)
    path = programs.write(tmp_path / "t.haktrace", script)
    assert find_plan(path).slot_count >= 100_000
    outcome = run(make_spec(path, "glibc", touch=0), TIMEOUT_S)
    # 32 bytes a block of glibc; the table, 16 bytes a slot, would make it 4.6 MiB and more.
    assert 3.0 * 2**20 < outcome.peak_resident_bytes < 4.6 * 2**20 + 2**20 / 2


def test_the_recorded_speed_takes_the_recorded_time(tmp_path: Path) -> None:
    script = programs.Script(step_ns=100_000)
    for _ in range(1500):
        script.free(0, script.allocate(0, 64))
    path = programs.write(tmp_path / "t.haktrace", script)
    assert run(make_spec(path, speed=100), TIMEOUT_S).elapsed_s >= 0.299
    assert run(make_spec(path, speed=50), TIMEOUT_S).elapsed_s >= 0.598


def test_the_course_follows_the_program(tmp_path: Path) -> None:
    script = programs.Script(step_ns=100_000)
    items = [script.allocate(0, 10_000) for _ in range(4000)]
    for item in items:
        script.free(0, item)
    path = programs.write(tmp_path / "t.haktrace", script)
    points = []
    with Worker.start(make_spec(path, "glibc", speed=100)) as worker:
        while (outcome := worker.await_end(0.02)) is None:
            points.append(read_course_point(worker.workload_block))
    assert outcome.status == "completed"
    positions_s = [point.position_s for point in points]
    assert positions_s == sorted(positions_s)
    assert positions_s[-1] <= 0.8
    fullest = max(points, key=lambda point: point.live_bytes)
    assert 20e6 < fullest.live_bytes <= 40e6
    assert fullest.resident_bytes >= fullest.live_bytes
    assert fullest.fragmentation == pytest.approx(fullest.resident_bytes / fullest.live_bytes)


def test_seconds_end_a_replay_without_end(pipeline: Path) -> None:
    spec = Run("replay", trace=str(pipeline), parameters={"loops": 0}, seconds=0.3)
    outcome = run(spec, TIMEOUT_S)
    assert outcome.status == "completed"
    assert outcome.elapsed_s >= 0.3
    assert outcome.operations > 0


def test_pause_resume_and_stop(pipeline: Path) -> None:
    with Worker.start(Run("replay", trace=str(pipeline), parameters={"loops": 0}, seconds=1000)) as worker:
        await_point(worker, lambda point: point.operations > 10_000)
        worker.pause()
        deadline_s = time.monotonic() + TIMEOUT_S
        while worker.workload_block.effective().values["run.state"] != "paused":
            assert time.monotonic() < deadline_s
            time.sleep(0.005)
        still = read_course_point(worker.workload_block).operations
        time.sleep(0.05)
        assert read_course_point(worker.workload_block).operations == still
        worker.resume()
        await_point(worker, lambda point: point.operations > still)
        worker.stop()
        assert worker.wait(TIMEOUT_S).status == "stopped"


@pytest.mark.parametrize("speed", [0, 100])
def test_a_kill_in_the_middle_is_an_outcome(pipeline: Path, speed: int) -> None:
    spec = Run("replay", trace=str(pipeline), parameters={"loops": 0, "speed": speed}, seconds=1000)
    with Worker.start(spec) as worker:
        await_point(worker, lambda point: point.live_bytes > 0)
        worker.kill()
        outcome = worker.wait(TIMEOUT_S)
    assert (outcome.status, outcome.signal) == ("stopped", "SIGKILL")
    assert run(make_spec(pipeline), TIMEOUT_S).status == "completed"


def test_a_crash_of_the_allocator_is_an_outcome(mixed: Path) -> None:
    spec = Run("replay", trace=str(mixed), parameters={"loops": 0}, seconds=1000)
    with Worker.start(spec) as worker:
        await_point(worker, lambda point: point.operations > 0)
        subprocess.run(["/bin/kill", "-SEGV", str(worker.pid)], check=True)
        outcome = worker.wait(TIMEOUT_S)
    assert (outcome.status, outcome.signal) == ("crashed", "SIGSEGV")
    assert outcome.operations > 0


def test_calls_can_be_timed(mixed: Path) -> None:
    spec = Run("replay", trace=str(mixed), parameters={"loops": 20}, samples_latency=True)
    outcome = run(spec, TIMEOUT_S)
    assert outcome.status == "completed"
    assert outcome.latency_ns["malloc_count"] > 0
    assert outcome.latency_ns["free_count"] > 0


def test_tunables_are_set_and_events_told(pipeline: Path) -> None:
    spec = Run("replay", trace=str(pipeline), parameters={"loops": 3}, tunables={"tls.initial_slots": 32})
    with Worker.start(spec) as worker:
        assert worker.allocator_block is not None
        assert worker.allocator_block.requested().values["tls.initial_slots"] == 32
        outcome = worker.wait(TIMEOUT_S)
    assert outcome.events["THREAD_START"] >= 3 * 6


@pytest.mark.parametrize("seed", range(24))
def test_a_damaged_plan_ends_the_run_and_not_by_a_crash(pipeline: Path, tmp_path: Path, seed: int) -> None:
    numbers = random.Random(seed)
    content = bytearray(find_plan(pipeline).path.read_bytes())
    # In turn: cut off, a bit of the header, a bit of a segment (the rest of the header's page is not used).
    if seed % 3 == 0:
        del content[numbers.randrange(len(content)) :]
    elif seed % 3 == 1:
        content[numbers.randrange(HEADER_BYTES)] ^= 1 << numbers.randrange(8)
    else:
        content[numbers.randrange(65536, len(content))] ^= 1 << numbers.randrange(8)
    path = tmp_path / "damaged.plan"
    path.write_bytes(content)
    words = [str(RUNNER), "--workload", "replay", "--trace-plan", str(path), "--seconds", "20"]
    answer = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert answer.returncode == (1 if seed % 3 == 2 else 2)
    assert "plan" in answer.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--workload", "replay", "--seconds", "1"], "needs --trace-plan FILE"),
        (["--workload", "larson", "--seconds", "1", "--trace-plan", "x"], "takes no --trace-plan"),
        (["--workload", "replay", "--operations", "5", "--trace-plan", "x"], "give --seconds"),
        (["--workload", "replay", "--seconds", "1", "--trace-plan", "/nowhere"], "/nowhere: No such file"),
        (["--workload", "replay", "--seconds", "1", "--trace-plan", "/etc/passwd"], "it is no replay plan"),
    ],
)
def test_the_runner_names_what_is_wrong(words: list[str], complaint: str) -> None:
    answer = subprocess.run([RUNNER, *words], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert answer.returncode == 2
    assert complaint in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_specifications_that_cannot_be_run(mixed: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.haktrace"
    text.write_text("no trace")
    wrong: list[tuple[Run, type[WorkbenchError], str]] = [
        (Run("replay"), BadParameter, "it needs a trace"),
        (Run("larson", trace=str(mixed)), BadParameter, "larson replays none"),
        (Run("replay", trace=str(mixed), operations=10), BadParameter, "by its loops or by seconds"),
        (Run("replay", trace=str(mixed), threads=3), BadParameter, "threads: 3 is not the 1 of the trace"),
        (Run("replay", trace=str(tmp_path / "none")), UnknownDataset, "none: no such file"),
        (Run("replay", trace=str(text)), DamagedTrace, "text.haktrace"),
        (Run("replay", trace=str(mixed), parameters={"touch": 4}), BadParameter, "touch"),
    ]
    for spec, error, text_of_it in wrong:
        with pytest.raises(error, match=text_of_it):
            spec.check()
        with pytest.raises(error):
            Worker.start(spec)


def test_in_this_process_no_trace_is_replayed(mixed: Path) -> None:
    with pytest.raises(BadParameter, match="use a worker"):
        InProcessRun.start(make_spec(mixed))


def test_other_workloads_have_no_replay_metrics() -> None:
    with Worker.start(Run("pair", seconds=1000)) as worker:
        assert not [name for name in worker.workload_block.metrics if name.startswith("replay.")]


def test_metrics_of_a_replay_have_charts(mixed: Path) -> None:
    with Worker.start(Run("replay", trace=str(mixed), parameters={"loops": 0}, seconds=1000)) as worker:
        block: ControlBlock = worker.workload_block
        charts = {name: metric.chart for name, metric in block.metrics.items() if name.startswith("replay.")}
    assert charts == {
        "replay.live_bytes": "Replayed program",
        "replay.resident_bytes": "Replayed program",
        "replay.live_share": "Replayed program",
        "replay.fragmentation": "",
        "replay.position_ms": "Trace time",
    }
