"""What is written is read again, event by event."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.traces.strategies import chunks
from workbench.errors import BadParameter
from workbench.traces import CallKind, Site, Trace, TraceChunk, TraceWriter
from workbench.traces.chunk import COLUMN_TYPES
from workbench.traces.objects import ObjectFollower


def assert_equal(one: TraceChunk, other: TraceChunk) -> None:
    for name, kind in COLUMN_TYPES.items():
        left, right = getattr(one, name), getattr(other, name)
        assert left.dtype == right.dtype == kind
        np.testing.assert_array_equal(left, right, err_msg=name)


def read(path: Path) -> TraceChunk:
    with Trace.open(path) as trace:
        assert trace.damage is None
        return TraceChunk.join(list(trace.chunks()))


@given(events=chunks(), chunk_events=st.integers(1, 20), cuts=st.lists(st.integers(0, 60), max_size=4))
def test_events_are_read_as_written(
    events: TraceChunk, chunk_events: int, cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("trace") / "a.haktrace"
    bounds = [0, *sorted(cuts), len(events)]
    with TraceWriter.open(path, chunk_events=chunk_events, level=1) as writer:
        for start, end in itertools.pairwise(bounds):
            writer.append(events[start:end])
    assert_equal(read(path), events)


@given(events=chunks())
def test_live_bytes_agree_with_a_dictionary(events: TraceChunk) -> None:
    sizes: dict[int, int] = {}
    expected = []
    for kind, number, size in zip(events.kind, events.object_id, events.size_bytes, strict=True):
        if kind <= CallKind.REALLOC:
            sizes[int(number)] = int(size)
        elif kind == CallKind.FREE:
            del sizes[int(number)]
        expected.append(sum(sizes.values()))
    follower = ObjectFollower()
    found = [follower.follow(part).live_bytes for part in (events[:7], events[7:])]
    assert np.concatenate(found).tolist() == expected


def write_example(path: Path) -> None:
    with TraceWriter.open(
        path, program="prog", command=["prog", "a b", "é"], versions={"workbench": "1"}, pid=7
    ) as writer:
        writer.add_sites([Site("/lib/a.so", 16), Site("/bin/prog", 2**40)])
        writer.append(
            TraceChunk.of(
                [0, 5, 1, 2, 3, 4, 6],
                thread=[0, 1, 1, 0, 0, 1, 1],
                object_id=[0, 0, 1, 2, 0, 1, 0],
                size_bytes=[100, 0, 50, 64, 300, 0, 0],
                alignment_bytes=[0, 0, 0, 64, 0, 0, 0],
                site=[0, 0, 1, 0, 1, 1, 0],
                time_ns=[0, 1000, 1000, 5_000, 2_000_000, 2_000_000, 3_000_000],
            )
        )
        writer.close(unknown_frees=3, lost_events=1, end="exit 0")


def test_metadata_say_what_the_events_come_to(tmp_path: Path) -> None:
    path = tmp_path / 'it\'s "a" trace.haktrace'
    write_example(path)
    with Trace.open(path) as trace:
        metadata = trace.metadata
        assert metadata.command == ("prog", "a b", "é")
        assert (metadata.program, metadata.pid, metadata.versions) == ("prog", 7, {"workbench": "1"})
        assert (metadata.event_count, metadata.thread_count, metadata.object_count) == (7, 2, 3)
        assert metadata.peak_live_bytes == 300 + 50 + 64
        assert metadata.duration_s == 0.003
        assert (metadata.unknown_frees, metadata.lost_events, metadata.end) == (3, 1, "exit 0")
        assert metadata.complete
        assert list(trace.sites) == [Site("/lib/a.so", 16), Site("/bin/prog", 2**40)]
        assert trace.compute_checksum() == metadata.checksum
        frame = trace.to_frame()
    assert list(frame["kind"].astype(str)[:3]) == ["malloc", "thread_start", "calloc"]
    assert frame["size_bytes"].sum() == 514


def test_the_checksum_is_of_the_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    write_example(one)
    write_example(other)
    checksums = []
    for path in (one, other):
        with Trace.open(path) as trace:
            checksums.append(trace.metadata.checksum)
    assert checksums[0] == checksums[1] != ""


def test_an_empty_trace(tmp_path: Path) -> None:
    with TraceWriter.open(tmp_path / "a") as writer:
        pass
    with Trace.open(writer.path) as trace:
        assert list(trace.chunks()) == []
        assert len(trace.to_frame()) == 0
        assert trace.metadata.event_count == 0


def test_times_are_kept_in_microseconds(tmp_path: Path) -> None:
    with TraceWriter.open(tmp_path / "a") as writer:
        writer.append(TraceChunk.of([0, 4], size_bytes=[8, 0], time_ns=[1234, 5999]))
    assert list(read(writer.path).time_ns) == [1000, 5000]


def test_sites_that_are_not_in_the_table_are_unknown(tmp_path: Path) -> None:
    with TraceWriter.open(tmp_path / "a") as writer:
        writer.append(TraceChunk.of([0], size_bytes=8, site=2))
    with Trace.open(writer.path) as trace:
        assert [site.module for site in trace.sites] == ["", "", ""]


def test_a_writer_left_by_an_error_leaves_an_incomplete_trace(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), TraceWriter.open(tmp_path / "a") as writer:
        writer.append(TraceChunk.of([0], size_bytes=8))
        raise RuntimeError
    with Trace.open(writer.path) as trace:
        assert trace.damage is None
        assert not trace.metadata.complete
        assert trace.metadata.event_count == 1
        assert trace.metadata.end == "left by RuntimeError"


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (TraceChunk.of([4]), "event 0: object 0 does not live then"),
        (TraceChunk.of([0, 4, 4]), "event 2: object 0 does not live then"),
        (TraceChunk.of([0, 0]), "event 1: object 0 does not live then"),
        (TraceChunk.of([7]), "event 0: it is of no known kind"),
        (TraceChunk.of([0], alignment_bytes=8), "event 0: only ALIGNED has an alignment"),
        (TraceChunk.of([5], size_bytes=8), "event 0: a free or thread event has no size"),
        (TraceChunk.of([5, 6], time_ns=[5000, 0]), "event 1: its time lies before"),
        (TraceChunk.of([5], time_ns=-1), "event 0: its time lies before"),
    ],
)
def test_what_cannot_be_a_trace_is_refused(tmp_path: Path, events: TraceChunk, message: str) -> None:
    with pytest.raises(ValueError, match=message), TraceWriter.open(tmp_path / "a") as writer:
        writer.append(events)


def test_columns_must_fit() -> None:
    with pytest.raises(ValueError, match="thread has 2 values, kind 1"):
        TraceChunk.of([0], thread=[1, 2])
    with pytest.raises(ValueError, match="size_bytes: values must be whole numbers"):
        TraceChunk.of([0], size_bytes=[-1])


def test_levels_and_chunks_are_checked(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="level 23"):
        TraceWriter.open(tmp_path / "a", level=23)
    with pytest.raises(BadParameter, match="0 events a chunk"):
        TraceWriter.open(tmp_path / "a", chunk_events=0)


def test_metadata_cannot_be_changed(tmp_path: Path) -> None:
    write_example(tmp_path / "a")
    with Trace.open(tmp_path / "a") as trace, pytest.raises(dataclasses.FrozenInstanceError):
        trace.metadata.pid = 8  # type: ignore[misc]
