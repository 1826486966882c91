"""A program's calls stand in its trace exactly as it made them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.recorder.conftest import pick, read_events
from workbench.allocators import get_allocator
from workbench.processes import RecordingOutcome, preload_environment, record
from workbench.traces import CallKind, Trace

Run = Callable[..., RecordingOutcome]
MALLOC, CALLOC, ALIGNED, REALLOC, FREE, THREAD_START, THREAD_END = CallKind


def test_each_function(run_recorded: Run, recorded_program: Path) -> None:
    outcome = run_recorded("each")
    assert outcome.exit_code == 5
    (trace,) = outcome.traces
    events = read_events(trace.path, recorded_program)
    found = [
        (CallKind(kind), int(size), int(alignment))
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
    assert environment["LD_PRELOAD"].split(":")[0].endswith("/libhakmem.so")
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


CONTRACTS = Path(__file__).parents[1] / "contracts"


def build(compiler: str, source: str, program: Path, *options: str) -> Path:
    subprocess.run([compiler, "-O1", "-fno-builtin", *options, CONTRACTS / source, "-o", program], check=True)
    return program


def test_what_replaced_operators_call_is_recorded(tmp_path: Path) -> None:
    """A block of the program's new may be given to the runtime's delete: both are seen, or neither."""
    library = build("g++", "array_library.cpp", tmp_path / "array_library.so", "-shared", "-fPIC")
    program = build("g++", "replaced_operators.cpp", tmp_path / "program", "-std=c++17", "-DNEW", "-DDELETE")
    outcome = record([str(program), str(library)], tmp_path / "a")
    assert outcome.exit_code == 0
    (trace,) = outcome.traces
    assert trace.metadata.unknown_frees == 0
    everything, events = read_events(trace.path), read_events(trace.path, program)
    made = set(events.object_id[events.kind == MALLOC])
    assert len(made) > 1000
    assert made <= set(everything.object_id[everything.kind == FREE])


def test_a_program_with_a_malloc_of_its_own(tmp_path: Path) -> None:
    program = build("g++", "own_malloc.cpp", tmp_path / "program", "-std=c++17")
    assert record([str(program)], tmp_path / "a").exit_code == 0


def test_a_library_opened_with_deepbind_is_recorded(tmp_path: Path) -> None:
    host = build("cc", "deepbind_host.c", tmp_path / "host", "-D_GNU_SOURCE")
    options = ["-D_GNU_SOURCE", "-shared", "-fPIC", "-Wl,-rpath,$ORIGIN"]
    for name in ("library.so", "beside.so"):
        build("cc", "deepbind_library.c", tmp_path / name, *options)
    outcome = record([str(host), "dlopen", str(tmp_path / "library.so")], tmp_path / "a")
    assert outcome.exit_code == 0
    (trace,) = outcome.traces
    assert trace.metadata.unknown_frees == 0
    assert list(read_events(trace.path, tmp_path / "library.so").kind) == [MALLOC, FREE, FREE]


def test_other_names_of_glibc_are_recorded(tmp_path: Path) -> None:
    source = tmp_path / "names.c"
    source.write_text(
        """
        #include <stdlib.h>
        void *__libc_malloc(size_t bytes);
        void *__libc_memalign(size_t alignment, size_t bytes);
        void __libc_free(void *block);
        __asm__(".symver old_cfree, cfree@GLIBC_2.2.5");
        void old_cfree(void *block);
        int main(void)
        {
            free(__libc_malloc(100));
            __libc_free(__libc_memalign(64, 200));
            old_cfree(malloc(300));
        }
        """
    )
    program = tmp_path / "names"
    subprocess.run(["cc", "-fno-builtin", str(source), "-o", str(program)], check=True)
    outcome = record([str(program)], tmp_path / "a")
    assert outcome.exit_code == 0
    events = read_events(outcome.traces[0].path, program)
    assert list(zip(events.kind, events.size_bytes, events.alignment_bytes, strict=True)) == [
        (MALLOC, 100, 0), (FREE, 0, 0), (ALIGNED, 200, 64), (FREE, 0, 0), (MALLOC, 300, 0), (FREE, 0, 0),
    ]  # fmt: skip
