"""A program's calls stand in its trace exactly as it made them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.recorder.conftest import pick, read_events
from workbench.processes import RecordingOutcome, get_allocator, preload_environment, record
from workbench.traces import EventKind, Trace

Run = Callable[..., RecordingOutcome]
MALLOC, CALLOC, ALIGNED, REALLOC, FREE, THREAD_START, THREAD_END = EventKind


def test_each_function(run_recorded: Run, recorded_program: Path) -> None:
    outcome = run_recorded("each")
    assert outcome.exit_code == 5
    (trace,) = outcome.traces
    events = read_events(trace.path, recorded_program)
    found = [
        (EventKind(kind), int(size), int(alignment))
        for kind, size, alignment in zip(events.kind, events.size_bytes, events.alignment_bytes, strict=True)
    ]
    free = (FREE, 0, 0)
    assert found == [
        (MALLOC, 100, 0), free,
        (CALLOC, 150, 0), free,
        (MALLOC, 10, 0), (REALLOC, 100000, 0), (REALLOC, 70, 0), free,
        (ALIGNED, 300, 256), free,
        (ALIGNED, 128, 64), free,
        (ALIGNED, 5, 4096), free,
        (ALIGNED, 6, 4096), free,
        (ALIGNED, 7, 4096), free,
        (MALLOC, 77, 0),
    ]  # fmt: skip
    assert len(set(events.object_id[4:8])) == 1
    metadata = trace.metadata
    assert (metadata.complete, metadata.end, metadata.lost_events, metadata.unknown_frees) == (
        True, "exit 5", 0, 0,
    )  # fmt: skip
    assert metadata.program == "recorded"
    assert metadata.command == (str(recorded_program), "each")
    assert metadata.thread_count == 1


def test_threads_and_frees_by_others(run_recorded: Run, recorded_program: Path) -> None:
    (trace,) = run_recorded("threads").traces
    everything = read_events(trace.path)
    starts = everything.thread[everything.kind == THREAD_START]
    ends = everything.thread[everything.kind == THREAD_END]
    assert list(starts) == [1, 2, 3, 4]
    assert list(ends) == [1, 2, 3, 4]
    events = read_events(trace.path, recorded_program)
    made, freed = pick(events, events.kind == MALLOC), pick(events, events.kind == FREE)
    assert list(np.bincount(made.thread)) == [0, 1000, 1000, 1000, 1000]
    assert list(made.size_bytes) == 4 * list(range(1000, 2000))
    assert list(freed.object_id) == list(made.object_id)
    assert set(freed.thread) == {0}
    assert trace.metadata.thread_count == 5
    assert (np.diff(everything.time_ns) >= 0).all()


def test_threads_at_once(run_recorded: Run, recorded_program: Path) -> None:
    (trace,) = run_recorded("churn").traces
    events = read_events(trace.path, recorded_program)  # checks that objects live when they are freed
    made = int((events.kind < REALLOC).sum())
    assert made == int((events.kind == FREE).sum())
    assert 4 * 50000 <= len(events) <= 4 * 100016
    assert trace.metadata.unknown_frees == 0
    assert trace.metadata.lost_events == 0


def test_the_same_calls_are_the_same_events(run_recorded: Run, recorded_program: Path) -> None:
    both = [read_events(run_recorded("churn-long").traces[0].path, recorded_program) for _ in range(2)]
    for name in ("kind", "object_id", "size_bytes", "site"):
        np.testing.assert_array_equal(getattr(both[0], name), getattr(both[1], name))


def test_a_library_that_comes_and_goes(run_recorded: Run, loaded_library: Path) -> None:
    outcome = run_recorded("library", str(loaded_library))
    assert outcome.exit_code == 0
    (trace,) = outcome.traces
    events = read_events(trace.path, loaded_library)
    assert list(events.size_bytes[events.kind == MALLOC]) == [4321] * 3
    with Trace.open(trace.path) as opened:
        offsets = {site.offset for site in opened.sites if site.module == str(loaded_library)}
    assert len(offsets) == 1
    assert offsets.pop() < loaded_library.stat().st_size


def test_a_preloaded_allocator_stays(run_recorded: Run, recorded_program: Path) -> None:
    environment = preload_environment({})
    assert str(get_allocator("hakmem").library) in environment["LD_PRELOAD"]
    outcome = run_recorded("threads", environment=environment)
    assert outcome.exit_code == 5
    events = read_events(outcome.traces[0].path, recorded_program)
    assert len(events) == 8000


def test_operators_of_cxx_are_called_from_where_they_are_written(tmp_path: Path) -> None:
    source = Path(__file__).with_name("recorded.cpp")
    program = tmp_path / "cxx"
    subprocess.run(["g++", "-std=c++17", "-O1", str(source), "-o", str(program)], check=True)
    outcome = record([str(program)], tmp_path / "a")
    assert outcome.exit_code == 6
    events = read_events(outcome.traces[0].path, program)
    assert list(zip(events.kind, events.size_bytes, events.alignment_bytes, strict=True)) == [
        (MALLOC, 4, 0), (FREE, 0, 0),
        (MALLOC, 1000, 0), (FREE, 0, 0),
        (ALIGNED, 256, 128), (FREE, 0, 0),
        (MALLOC, 77, 0), (FREE, 0, 0),
        (MALLOC, 4242, 0),
    ]  # fmt: skip
    assert len(set(events.site)) == 9


def test_operators_of_cxx_under_another_allocator(tmp_path: Path) -> None:
    """Its operators do not call malloc: they are recorded all the same."""
    source = Path(__file__).with_name("recorded.cpp")
    program = tmp_path / "cxx"
    subprocess.run(["g++", "-std=c++17", "-O1", str(source), "-o", str(program)], check=True)
    library = str(get_allocator("jemalloc").library)
    outcome = record([str(program)], tmp_path / "a", environment=os.environ | {"LD_PRELOAD": library})
    assert outcome.exit_code == 6
    assert len(read_events(outcome.traces[0].path, program)) == 9
